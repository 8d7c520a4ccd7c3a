//! Microsoft's two compilers of HLSL under Wine.

use std::path::PathBuf;
use std::process::Command;

use naga::back::hlsl::ShaderModel;
use sharpsweep::gpu::Pass;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// The one that every Windows has, d3dcompiler_47.dll.
    Fxc,
    /// The one that wgpu prefers where it finds it, dxcompiler.dll.
    Dxc,
}

/// The folder with hlsl.exe (from hlsl.c beside this file), the two DLLs and Wine's own files.
pub(crate) struct DirectX(PathBuf);

impl DirectX {
    /// The folder that `tests/compilers.sh` prepared.
    pub(crate) fn from_environment() -> Self {
        let folder = std::env::var_os("SHARPSWEEP_DIRECTX");
        Self(folder.expect("run tests/compilers.sh, which prepares the folder SHARPSWEEP_DIRECTX").into())
    }

    /// The seconds of processor time that `compiler` took for `text`; or what it says against it, or that it took more
    /// than `seconds`.
    pub(crate) fn ask(
        &self,
        compiler: Compiler,
        model: ShaderModel,
        pass: Pass,
        text: &str,
        seconds: u32,
    ) -> Result<f64, String> {
        let file = tempfile::Builder::new().suffix(".hlsl").tempfile_in(&self.0).unwrap();
        std::fs::write(file.path(), text).unwrap();
        let name = match compiler {
            Compiler::Fxc => "fxc",
            Compiler::Dxc => "dxc",
        };
        // The limit and the measure are those of the process that Wine becomes, so neither depends on the load.
        let script = format!("ulimit -t {seconds}; TIMEFORMAT=%U; time wine hlsl.exe \"$@\"");
        let asked = Command::new("bash")
            .args(["-c", &script, "bash", name, &format!("cs_{}", model.to_str()), pass.name()])
            .arg(file.path().file_name().unwrap())
            .current_dir(&self.0)
            .env("WINEPREFIX", self.0.join("wine"))
            .env("WINEDEBUG", "-all")
            // Microsoft's DLL, not Wine's own of that name.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=;d3dcompiler_47=n")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout);
        let errors = String::from_utf8_lossy(&asked.stderr);
        let time = errors.lines().last().and_then(|line| line.trim().parse().ok());
        match (asked.status.code(), time) {
            (Some(0), Some(time)) => Ok(time),
            (Some(1), Some(_)) => {
                let first: Vec<&str> = said.lines().filter(|line| line.contains("error")).take(2).collect();
                Err(if first.is_empty() { said.trim().to_owned() } else { first.join("; ") })
            }
            // bash's way to say that a signal ended it: SIGXCPU or, a second later, SIGKILL.
            (Some(152 | 137), _) => Err(format!("no answer within {seconds} s")),
            _ => panic!("Wine could not ask {compiler:?}: {said}{errors}"),
        }
    }
}
