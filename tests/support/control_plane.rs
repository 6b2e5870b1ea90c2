//! The Kubernetes API server that all promises of a run share.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

/// A cluster with our CRDs.
pub struct ControlPlane {
    /// For its administrator.
    pub kubeconfig: PathBuf,
    path: String,
    // Holds the pipe that keeps it running: it ends with this test binary, however that ends.
    _run: Option<Child>,
}

static CONTROL_PLANE: LazyLock<ControlPlane> = LazyLock::new(|| {
    let control_plane = match std::env::var_os("EUICC_TEST_KUBECONFIG") {
        Some(kubeconfig) => ControlPlane { kubeconfig: kubeconfig.into(), path: search_path(), _run: None },
        None => ControlPlane::bare("controlplane"),
    };
    control_plane.install_crds();
    control_plane
});

/// The one cluster of this run, started when first asked for. Blocks.
pub fn control_plane() -> &'static ControlPlane {
    &CONTROL_PLANE
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl ControlPlane {
    /// Another one, without our CRDs, for what cannot be tried in one that others use. Blocks.
    pub fn bare(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        // The shell outlives us by a moment and clears the folder. In a process group of its own, so that Ctrl-C ends us
        // and the closing pipe ends it, in this order.
        let mut run = Command::new("sh")
            .args(["-c", r#""$0" "$1"; rm -rf "$1""#])
            .args([&repository("tests/controlplane/run.sh"), &dir])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let ready = BufReader::new(run.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("READY ").map(PathBuf::from))
            .expect("the control plane does not start: see the messages of tests/controlplane/run.sh");
        Self { kubeconfig: ready, path: search_path(), _run: Some(run) }
    }

    /// The real kubectl, as the administrator.
    pub fn kubectl(&self) -> Command {
        self.program("kubectl")
    }

    /// The real helm, as the administrator.
    pub fn helm(&self) -> Command {
        self.program("helm")
    }

    /// A program as the administrator has it in a shell: with kubectl and helm, with access to this cluster, and with
    /// nothing from this user's home.
    pub fn program(&self, name: &str) -> Command {
        let mut program = Command::new(name);
        for kind in ["CACHE", "CONFIG", "DATA"] {
            program.env(format!("HELM_{kind}_HOME"), self.file("helm"));
        }
        program
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.file("kubectl-cache"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::null());
        program
    }

    /// A file beside the kubeconfig: `audit.log`, `server.pid`, `etcd.pid`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.kubeconfig.with_file_name(name)
    }

    /// Applies `crds/`. Blocks.
    pub fn install_crds(&self) {
        let crds = repository("crds").to_string_lossy().into_owned();
        for args in [
            &["apply", "--server-side", "--force-conflicts", "-f", &crds][..],
            &["wait", "--for=condition=Established", "--timeout=30s", "-f", &crds],
        ] {
            let output = self.kubectl().args(args).output().expect("kubectl");
            assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// This machine's programs, then those that the control plane was built with.
fn search_path() -> String {
    let setup = Command::new(repository("tests/controlplane/setup.sh")).arg("--print-bin").output().expect("setup.sh");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:{}", String::from_utf8_lossy(&setup.stdout).trim())
}
