//! ThingSpace as its contract describes it, with faults and a journal.
