//! What a compute pass is: its name, its text in shaders/, and what it binds.

use clap::ValueEnum;

/// What a pass does with one of its buffers, in the order of its `@binding` numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Uniform,
    Read,
    ReadWrite,
}

/// One compute pass. Its file in shaders/ and its entry point carry its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Pass {
    /// theta_0 from the seeds.
    Seeds,
    /// Gradient descent, many steps per dispatch, one invocation per network.
    Train,
    /// Gradient descent with several invocations a network.
    TrainShared,
    /// Gradient descent with a workgroup per network and its weights in storage.
    TrainStreamed,
    /// The forward pass and its derivatives, sample by sample.
    Terms,
    /// dL/dtheta.
    Gradient,
    /// The loss, tr H(w,w) and tr H(v,v).
    Trace,
    /// tr H^2 from Phi, Psi and Omega.
    TraceSq,
    /// tr H^2 from the entries of H.
    TraceSqAssembled,
    /// The full Hessian.
    Hessian,
    /// All eigenvalues of the Hessian.
    Eigenvalues,
}

/// A row of the table of passes.
struct Row {
    name: &'static str,
    text: &'static str,
    bindings: &'static [Access],
}

/// The row of the pass with this name, which its file in shaders/ and its entry point carry as well.
macro_rules! row {
    ($name:literal, $bindings:expr) => {
        Row { name: $name, text: include_str!(concat!("../../shaders/", $name, ".wgsl")), bindings: &$bindings }
    };
}

impl Pass {
    /// Every pass: from the seeds through training to the closed forms, and then the spectra.
    pub const ALL: [Self; 11] = [
        Self::Seeds,
        Self::Train,
        Self::TrainShared,
        Self::TrainStreamed,
        Self::Terms,
        Self::Gradient,
        Self::Trace,
        Self::TraceSq,
        Self::TraceSqAssembled,
        Self::Hessian,
        Self::Eigenvalues,
    ];

    /// A test reads the texts and compares the bindings.
    const fn row(self) -> Row {
        use Access::{Read, ReadWrite, Uniform};
        match self {
            Self::Seeds => row!("seeds", [Uniform, ReadWrite]),
            Self::Train => row!("train", [Uniform, Read, Read, ReadWrite, ReadWrite, ReadWrite]),
            Self::TrainShared => row!("train_shared", [Uniform, Read, Read, ReadWrite, ReadWrite, ReadWrite]),
            Self::TrainStreamed => {
                row!("train_streamed", [Uniform, Read, Read, ReadWrite, ReadWrite, ReadWrite, ReadWrite])
            }
            Self::Terms => row!("terms", [Uniform, Read, Read, ReadWrite, ReadWrite, ReadWrite, ReadWrite]),
            Self::Gradient => row!("gradient", [Uniform, Read, Read, Read, Read, Read, ReadWrite]),
            Self::Trace => row!("trace", [Uniform, Read, Read, Read, Read, Read, Read, ReadWrite]),
            Self::TraceSq => row!("trace_sq", [Uniform, Read, Read, Read, Read, Read, Read, ReadWrite]),
            Self::TraceSqAssembled => {
                row!("trace_sq_assembled", [Uniform, Read, Read, Read, Read, Read, Read, ReadWrite])
            }
            Self::Hessian => row!("hessian", [Uniform, Read, Read, Read, Read, Read, Read, ReadWrite]),
            Self::Eigenvalues => row!("eigenvalues", [Uniform, Read, ReadWrite, ReadWrite]),
        }
    }

    /// The stem of the pass's file in shaders/, and the name of its entry point.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The pass's own text, without what is put before it.
    pub(super) const fn text(self) -> &'static str {
        self.row().text
    }

    /// The bindings of the pass.
    ///
    /// `uniform_samples`: whether [`Pass::Train`] reads the samples, its second binding, from a uniform buffer.
    pub(super) fn bindings(self, uniform_samples: bool) -> impl Iterator<Item = Access> {
        let uniform = (self == Self::Train && uniform_samples).then_some(1);
        self.row().bindings.iter().enumerate().map(
            move |(number, &access)| {
                if Some(number) == uniform { Access::Uniform } else { access }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::Pass;

    /// A pass is asked for by the name of its file.
    #[test]
    fn every_pass_is_listed_once_under_its_name() {
        let names: Vec<String> = Pass::value_variants()
            .iter()
            .filter_map(|pass| Some(pass.to_possible_value()?.get_name().to_owned()))
            .collect();
        assert_eq!(names, Pass::ALL.map(Pass::name));
    }

    /// Every pass says which plain code it is held to, and that code exists.
    #[test]
    fn every_shader_names_its_twin() {
        for pass in Pass::ALL {
            let words = pass.text().split_whitespace().map(|word| word.trim_end_matches(['.', ';', ',']));
            let twins: Vec<&str> = words.filter(|word| word.starts_with("src/") && word.ends_with(".rs")).collect();
            assert!(!twins.is_empty(), "shaders/{}.wgsl names no twin", pass.name());
            for twin in twins {
                assert!(
                    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(twin).exists(),
                    "{}: {twin}",
                    pass.name()
                );
            }
        }
    }
}
