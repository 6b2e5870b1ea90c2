//! The container image: what is in it, and both processes in containers of it, as Kubernetes would run them.
//!
//! `make image` makes it, and podman with runc runs it; `tests/image/setup.sh` brings them. It takes root.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use crate::{
    connection_endpoint::{authority, serve_tls},
    image_names::Names,
    support::{
        Callback, Controller, LONG, Namespace, Process, QUICK, SHORT, Simulator, control_plane, eventually, fixtures,
        repository,
    },
};

const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const THINGSPACE: &str = "thingspace.test";
/// Where PID 1 is slow to clear away the dead, podman takes 20 seconds to see that a container has ended.
const PODMAN: Duration = LONG;

/// The image of this tree.
struct Image {
    podman: PathBuf,
    id: String,
    /// Where its files can be looked at.
    root: PathBuf,
}

static IMAGE: LazyLock<Image> = LazyLock::new(|| {
    let podman = PathBuf::from(printed(&mut Command::new(repository("tests/image/setup.sh"))));
    let name = "localhost/euicc-operator:test";
    let mut make = Command::new(repository("scripts/image.sh"));
    make.env("CONTAINER_TOOL", &podman).env("IMAGE", name).env("VERSION", "1.2.3");
    // What cargo tells its tests would make the cargo in there build everything anew.
    for (key, _) in std::env::vars().filter(|(k, _)| k.starts_with("CARGO_PKG_") || k.starts_with("CARGO_MANIFEST_")) {
        make.env_remove(key);
    }
    println!("{}", printed(&mut make));
    let ask = |args: &[&str]| printed(Command::new(&podman).args(args));
    let id = ask(&["image", "inspect", "--format", "{{.Id}}", name]);
    ask(&["image", "prune", "--force"]); // what earlier runs have left
    let root = ask(&["image", "mount", &id]).into();
    Image { podman, id, root }
});

/// Makes the image, unless that is done. Takes minutes the first time.
async fn image() -> &'static Image {
    tokio::task::spawn_blocking(|| &*IMAGE).await.unwrap()
}

/// A container of the image. Dropped, it is gone.
struct Container {
    name: String,
}

impl Container {
    /// Its name, and the command that runs it: as the restricted Pod Security Standard has it, in this machine's network.
    fn new(options: &[&str]) -> (Self, Command) {
        let name = format!("euicc-operator-{}-{}", std::process::id(), fixtures::next());
        let mut run = Command::new(&IMAGE.podman);
        // It ends even if nobody is left to end it.
        run.args(["run", "--rm", "--pull=never", "--timeout=300", "--name", &name]);
        run.args(["--network=host", "--http-proxy=false", "--cap-drop=all", "--security-opt=no-new-privileges"]);
        run.args(options).arg(&IMAGE.id);
        (Self { name }, run)
    }

    /// What the kernel says of its first process: that line of `/proc/PID/status`.
    fn status(&self, line: &str) -> String {
        let pid = printed(Command::new(&IMAGE.podman).args(["inspect", "--format", "{{.State.Pid}}", &self.name]));
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {line}: {status}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let rm = Command::new(&IMAGE.podman).args(["rm", "--force", "--time=0", "--ignore", &self.name]).output();
        assert!(std::thread::panicking() || rm.is_ok_and(|output| output.status.success()), "{} stays", self.name);
    }
}

/// What a command printed, which must succeed; its errors go to ours.
fn printed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?} has failed: see above");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn both_processes_activate_a_device_as_nobody_on_a_read_only_root_by_dns_and_the_certificates_in_the_image() {
    let image = image().await;
    let (namespace, simulator) = (Namespace::new("image").await, Simulator::start(QUICK).await);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    // The API server by a name that /etc/hosts has, ThingSpace by one that only DNS has.
    let kubeconfig = std::fs::read_to_string(&control_plane().kubeconfig).unwrap();
    let kubeconfig = file("kubeconfig", kubeconfig.replace("//127.0.0.1:", "//localhost:"));
    let names = Names::serve(THINGSPACE);
    authority(folder.path(), &format!("DNS:{THINGSPACE}"));
    let endpoint = serve_tls(&simulator, folder.path()).await.replace("127.0.0.1", THINGSPACE);
    // The image's own certificates and one more, as companies mount them whose proxy looks into TLS.
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let bundle = read(image.root.join(CERTIFICATES)) + &read(folder.path().join("ca.pem"));
    let bundle = file("bundle.pem", bundle);

    let container = || {
        Container::new(&[
            "--read-only",
            "--read-only-tmpfs=false",
            "--env=KUBECONFIG=/kubeconfig",
            &format!("--volume={kubeconfig}:/kubeconfig:ro"),
            &format!("--volume={bundle}:/{CERTIFICATES}:ro"),
            // As the pods of a cluster have it.
            &format!("--dns={}", names.server),
            "--dns-search=fleet.svc.cluster.local",
            "--dns-option=ndots:5",
        ])
    };
    let flags = ["--watch-namespace", &namespace.name];
    let (callback_container, mut command) = container();
    let mut callback = Callback::start_as(command.arg("callback"), &flags).await;
    let url = callback.url(&namespace, fixtures::CONNECTION);
    namespace.apply(&fixtures::connection(&endpoint, Some(&url))).await;
    let (controller_container, mut command) = container();
    let mut controller = Controller::start_as(command.arg("controller"), &flags).await;
    callback.admin.ready().await;
    controller.admin.ready().await;

    namespace.create(&fixtures::activation("forklift", 1)).await;
    namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(simulator.activate_posts().await.len(), 1);
    assert_eq!(simulator.deliveries().await.iter().map(|d| d.status).collect::<Vec<_>>(), [Some(200)]);
    assert!(names.asked().contains(THINGSPACE), "{:?}", names.asked());

    for container in [&callback_container, &controller_container] {
        assert_eq!(container.status("Uid"), "65532 65532 65532 65532");
        assert_eq!(container.status("Gid"), "65532 65532 65532 65532");
        assert_eq!(container.status("CapEff"), "0000000000000000");
        assert_eq!(container.status("NoNewPrivs"), "1");
    }
    for process in [&mut controller.process, &mut callback.process] {
        process.ask_to_end();
    }
    for process in [&mut controller.process, &mut callback.process] {
        assert!(process.ended(PODMAN).await.success(), "{}", process.output());
    }
}

#[tokio::test]
async fn a_container_cannot_write_anywhere_even_when_its_root_is_not_read_only() {
    image().await;
    let (read_only, not) = ("Read-only file system", "Permission denied");
    let write = |(options, folder, why)| {
        let (container, mut run) = Container::new(options);
        let process = Process::start("crds", run.args(["crds", "--output-dir", folder]));
        (container, process, why)
    };
    let cases = [(&["--read-only"][..], "/", read_only), (&[], "/", not), (&[], "/etc", not)];
    for (_container, mut process, why) in cases.map(write) {
        assert!(!process.ended(PODMAN).await.success());
        let says = || process.output().contains("cannot write") && process.output().contains(why);
        eventually("it says why", SHORT, async || says().then_some(()).ok_or(process.output())).await;
    }
}

#[tokio::test]
async fn the_image_is_small_says_what_it_is_and_runs_as_a_number_that_is_not_root() {
    let image = image().await;
    let inspect = printed(Command::new(&image.podman).args(["image", "inspect", &image.id]));
    let inspect: Value = serde_json::from_str(&inspect).unwrap();
    let size = inspect[0]["Size"].as_u64().unwrap();
    assert!((5_000_000..20_000_000).contains(&size), "{size} bytes");
    let config = &inspect[0]["Config"];
    assert_eq!((&config["User"], &config["Entrypoint"]), (&json!("65532:65532"), &json!(["/euicc-operator"])));
    for (label, value) in [("title", "euicc-operator"), ("version", "1.2.3"), ("licenses", "Apache-2.0")] {
        assert_eq!(config["Labels"][format!("org.opencontainers.image.{label}")], value);
    }
}

#[tokio::test]
async fn the_image_holds_the_operator_what_it_runs_on_and_nothing_else() {
    let image = image().await;
    let files = files(&image.root);
    let names = files.iter().map(|file| file.strip_prefix(&image.root).unwrap().to_str().unwrap());
    // Where a library is, and what the loader is called, depends on the processor.
    let names = names.map(|name| match name.rsplit_once('/') {
        Some((_, library)) if library.contains(".so.") => library.split(['.', '-']).next().unwrap(),
        _ => name,
    });
    let mut expected =
        BTreeSet::from(["euicc-operator", "ld", "libc", "libgcc_s", "libm", CERTIFICATES].map(String::from));
    expected
        .extend(["etc/nsswitch.conf", "etc/os-release", "usr/share/doc/euicc-operator/copyright"].map(String::from));
    for package in ["ca-certificates", "libc6", "libgcc-s1"] {
        expected.extend([format!("var/lib/dpkg/status.d/{package}"), format!("usr/share/doc/{package}/copyright")]);
    }
    assert_eq!(names.map(String::from).collect::<BTreeSet<_>>(), expected);

    let pem = std::fs::read(image.root.join(CERTIFICATES)).unwrap();
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect();
    let (good, bad) = rustls::RootCertStore::empty().add_parsable_certificates(certificates);
    assert!(good > 100 && bad == 0, "{good} are good and {bad} bad");
}

#[tokio::test]
async fn the_operator_in_the_image_lists_the_crates_that_it_is_made_of_and_has_no_fault_points() {
    let operator = image().await.root.join("euicc-operator");
    let crates = auditable_info::audit_info_from_file(&operator, Default::default()).unwrap().packages;
    let lock = std::fs::read_to_string(repository("Cargo.lock")).unwrap();
    for package in &crates {
        let locked = format!("name = \"{}\"\nversion = \"{}\"\n", package.name, package.version);
        assert!(lock.contains(&locked), "{locked}");
    }
    let lists = |name: &str| crates.iter().any(|package| package.name == name);
    for name in ["euicc-operator", "kube", "reqwest", "rustls", "tokio"] {
        assert!(lists(name), "{name} is not among {crates:?}");
    }
    assert!(!lists("proptest"), "only what is shipped");

    let mark = b"EUICC_FAULT_POINT";
    let holds = |binary: &Path| std::fs::read(binary).unwrap().windows(mark.len()).any(|bytes| bytes == mark);
    assert!(!holds(&operator));
    let of_tests = Path::new(env!("CARGO_BIN_EXE_euicc-operator"));
    assert_eq!(holds(of_tests), cfg!(feature = "fault-points"), "they would be seen");
}

/// All that is not a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path] }).collect()
}
