//! The compute passes. What a pass is stands in its file in shaders/: its first lines name its twin and its parts, its
//! declarations say what it binds.

/// The passes, a row each: what it is for, and the name of its file in shaders/ and of its entry point. First those of
/// the paper's networks, then those of networks of any depth alone.
macro_rules! passes {
    (
        $($(#[$doc:meta])+ $pass:ident = $name:literal,)+;
        $($(#[$layer_doc:meta])+ $layer_pass:ident = $layer_name:literal,)+
    ) => {
        /// One compute pass. Its file in shaders/ and its entry point carry its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Pass {
            $($(#[$doc])+ $pass,)+
            $($(#[$layer_doc])+ $layer_pass,)+
        }

        impl Pass {
            /// Every pass for the paper's networks: from the seeds through training to the closed forms, and then the
            /// spectra. Some of them serve networks of any depth too.
            pub const ONE_HIDDEN: [Self; [$($name),+].len()] = [$(Self::$pass),+];

            /// Every pass that is for networks of any depth alone.
            pub const LAYERS: [Self; [$($layer_name),+].len()] = [$(Self::$layer_pass),+];

            /// The stem of the pass's file in shaders/, and the name of its entry point.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$pass => $name,)+
                    $(Self::$layer_pass => $layer_name,)+
                }
            }

            /// The pass's own text, without the constants and parts that stand before it.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$pass => include_str!(concat!("../../shaders/", $name, ".wgsl")),)+
                    $(Self::$layer_pass => include_str!(concat!("../../shaders/", $layer_name, ".wgsl")),)+
                }
            }
        }
    };
}

passes! {
    /// theta_0 from the seeds.
    Seeds = "seeds",
    /// Gradient descent, many steps per dispatch, one invocation per network.
    Train = "train",
    /// Gradient descent with several invocations per network, each with its own samples.
    TrainSplit = "train_split",
    /// Gradient descent with several invocations per network, each with its own hidden units.
    TrainShared = "train_shared",
    /// Gradient descent with a workgroup per network and its weights in storage.
    TrainStreamed = "train_streamed",
    /// The list of the networks that training has not finished.
    Remaining = "remaining",
    /// The forward pass and its derivatives, sample by sample.
    Terms = "terms",
    /// dL/dtheta.
    Gradient = "gradient",
    /// The loss, tr H(w,w) and tr H(v,v).
    Trace = "trace",
    /// tr H^2 from Phi, Psi and Omega.
    TraceSq = "trace_sq",
    /// tr H^2 from the entries of H.
    TraceSqAssembled = "trace_sq_assembled",
    /// The full Hessian.
    Hessian = "hessian",
    /// All eigenvalues of the Hessian.
    Eigenvalues = "eigenvalues",
    ;
    /// Gradient descent of networks of any depth, one invocation per network.
    TrainLayers = "train_layers",
    /// Gradient descent of networks of any depth with several invocations per network, which share its samples and
    /// units.
    TrainLayersShared = "train_layers_shared",
    /// One sample's way through a network of any depth and back.
    LayerTerms = "layer_terms",
    /// dL/dtheta of networks of any depth.
    LayerGradient = "layer_gradient",
    /// The loss, the traces of the layers and the rounding of networks of any depth.
    LayerSums = "layer_sums",
    /// tr H^2 of networks of any depth from the entries of H.
    LayerTraceSq = "layer_trace_sq",
    /// The full Hessian of networks of any depth.
    LayerHessian = "layer_hessian",
}

/// The names that the first lines of a file in shaders/ give after `label`, as in `// Parts: params, theta`.
pub(super) fn named<'a>(text: &'a str, label: &'a str) -> impl Iterator<Item = &'a str> {
    let names = move |line: &'a str| line.strip_prefix("// ")?.strip_prefix(label)?.strip_prefix(": ");
    text.lines().take(2).filter_map(names).flat_map(|names| names.split(", "))
}

/// What the complete text of a pass binds, with the `@binding` numbers. Each declaration is a line that begins with its
/// number.
pub(super) fn bindings(text: &str) -> impl Iterator<Item = (u32, wgpu::BufferBindingType)> {
    text.lines().filter_map(|line| {
        let (number, variable) = line.strip_prefix("@group(0) @binding(")?.split_once(") var<")?;
        let ty = match variable.split_once('>')?.0 {
            "uniform" => wgpu::BufferBindingType::Uniform,
            space => wgpu::BufferBindingType::Storage { read_only: space == "storage, read" },
        };
        Some((number.parse().ok()?, ty))
    })
}
