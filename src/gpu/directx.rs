//! Which of Microsoft's two compilers gets the shaders under DX12.

use serde::Serialize;

/// A compiler of Microsoft's. wgpu takes DXC if Windows finds its library when the adapters are listed, and else FXC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum DirectXCompiler {
    /// The newer one, which is no part of Windows.
    Dxc {
        /// The dxcompiler.dll that was loaded.
        path: String,
    },
    /// The older one, which is. It takes up to half a minute of a processor for a kernel, DXC some seconds.
    Fxc,
}

impl DirectXCompiler {
    /// DXC where its library was loaded from `dxc`, and else FXC.
    pub fn with(dxc: Option<String>) -> Self {
        dxc.map_or(Self::Fxc, |path| Self::Dxc { path })
    }

    /// The one that wgpu took in this process, once it has listed the adapters of DX12 and as long as it keeps them.
    #[cfg(windows)]
    pub(super) fn taken() -> Self {
        Self::with(loaded("dxcompiler.dll"))
    }

    /// There is no DX12 on other systems.
    #[cfg(not(windows))]
    pub(super) fn taken() -> Self {
        Self::with(None)
    }

    /// Its name and where it is, or how to get the better one.
    pub fn in_words(&self) -> String {
        match self {
            Self::Dxc { path } => format!("DXC, {path}"),
            Self::Fxc => "FXC, which takes up to half a minute for a kernel. For DXC, which takes seconds, put \
                dxcompiler.dll beside sharpsweep.exe or into a folder of PATH (version 1.8.2502 or newer, from the \
                releases of Microsoft's DirectXShaderCompiler)"
                .into(),
        }
    }
}

/// The path of a library if this process has loaded it.
#[cfg(windows)]
fn loaded(library: &str) -> Option<String> {
    use windows_sys::Win32::System::LibraryLoader::{GetModuleFileNameW, GetModuleHandleW};

    let name: Vec<u16> = library.encode_utf16().chain([0]).collect();
    // The longest path that Windows has, in units of UTF-16.
    let mut path = vec![0; 1 << 15];
    // SAFETY: `name` ends with a zero, `path` has as many units as the call is told, and the handle is used only while
    // wgpu keeps the library loaded.
    let length = unsafe {
        let handle = GetModuleHandleW(name.as_ptr());
        if handle.is_null() {
            return None;
        }
        GetModuleFileNameW(handle, path.as_mut_ptr(), path.len() as u32)
    };
    Some(String::from_utf16_lossy(&path[..length as usize]))
}
