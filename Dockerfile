# The operator's image. `docker build .` makes it from the sources alone; `make image` builds the operator on this machine
# and takes the last stage from here. What is in it, and why: scripts/rootfs.sh and docs/image.md.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN scripts/rootfs.sh "$(scripts/release.sh)" /rootfs

# ---- the image ----
FROM scratch
COPY --chown=0:0 --from=build /rootfs /
ARG VERSION=unknown
ARG REVISION
LABEL org.opencontainers.image.title="euicc-operator" \
      org.opencontainers.image.description="A Kubernetes operator that activates eSIM devices through Verizon ThingSpace" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/euicc-operator"]
