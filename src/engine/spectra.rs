//! Both ends of the Hessian's spectrum for a batch, and the checks that a computed spectrum must pass.

/// `lambda_max` and `lambda_min` of a batch of S networks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spectra {
    /// lambda_1, the largest eigenvalue of each Hessian, (S,); NaN where it was not found.
    pub lambda_max: Vec<f64>,
    /// lambda_D, the smallest eigenvalue, (S,); NaN in the same rows.
    pub lambda_min: Vec<f64>,
    /// The rows that hold NaN, in order, and why.
    pub missing: Vec<MissingSpectrum>,
}

/// A row whose eigenvalues were not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSpectrum {
    /// The network's row.
    pub row: usize,
    /// What is wrong with its Hessian, or the check that its eigenvalues failed.
    pub reason: String,
}

impl Spectra {
    /// Appends the next row: (`lambda_max`, `lambda_min`), or why it has none.
    pub(crate) fn push(&mut self, row: Result<(f64, f64), String>) {
        let (largest, smallest) = row.unwrap_or_else(|reason| {
            self.missing.push(MissingSpectrum { row: self.lambda_max.len(), reason });
            (f64::NAN, f64::NAN)
        });
        self.lambda_max.push(largest);
        self.lambda_min.push(smallest);
    }

    /// Replaces the spectra of `rows`, which are in ascending order, by `found`.
    pub(crate) fn replace(&mut self, rows: &[usize], found: Self) {
        for (k, &row) in rows.iter().enumerate() {
            self.lambda_max[row] = found.lambda_max[k];
            self.lambda_min[row] = found.lambda_min[k];
        }
        self.missing.retain(|missing| rows.binary_search(&missing.row).is_err());
        self.missing
            .extend(found.missing.into_iter().map(|missing| MissingSpectrum { row: rows[missing.row], ..missing }));
        self.missing.sort_unstable_by_key(|missing| missing.row);
    }
}

/// Independent values of one matrix that its eigenvalues must agree with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Witnesses {
    /// sum_d H_dd.
    pub(crate) trace: f64,
    /// ||H||_F^2.
    pub(crate) trace_sq: f64,
    /// ||H u - lambda u|| of the largest and of the smallest eigenvalue, with u of unit length.
    pub(crate) residuals: [f64; 2],
}

/// How far off each check may be, relative to ||H||_F (||H||_F^2 for the squares).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Allowed {
    /// sum lambda and sum lambda^2.
    pub(crate) sums: f64,
    /// ||H u - lambda u||.
    pub(crate) residuals: f64,
}

impl Witnesses {
    /// Checks all `eigenvalues` of a matrix: sum lambda = tr H, sum lambda^2 = tr H^2, and the two residuals. A wrong
    /// eigenvalue fails the sums unless another makes up for it in both.
    pub(crate) fn check(&self, eigenvalues: impl Iterator<Item = f64> + Clone, allowed: Allowed) -> Result<(), String> {
        let norm = self.trace_sq.sqrt();
        let misses = [
            ("sum lambda", eigenvalues.clone().sum::<f64>() - self.trace, "tr H", allowed.sums * norm),
            (
                "sum lambda^2",
                eigenvalues.map(|value| value * value).sum::<f64>() - self.trace_sq,
                "tr H^2",
                allowed.sums * self.trace_sq,
            ),
            ("H u", self.residuals[0], "lambda_max u", allowed.residuals * norm),
            ("H u", self.residuals[1], "lambda_min u", allowed.residuals * norm),
        ];
        for (found, miss, expected, allowed) in misses {
            // Written so that NaN fails.
            let passes = miss.abs() <= allowed;
            if !passes {
                return Err(format!(
                    "its computed eigenvalues fail a check: {found} differs from {expected} by {miss:e}; at \
                     most {allowed:e} is allowed"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Spectra, Witnesses};

    const ALLOWED: Allowed = Allowed { sums: 6e-6, residuals: 6e-6 };

    #[test]
    fn each_check_fails_by_itself() {
        let good = Witnesses { trace: 4.0, trace_sq: 14.0, residuals: [1e-7, 1e-7] };
        let values = [-1.0_f64, 2.0, 3.0];
        assert_eq!(good.check(values.into_iter(), ALLOWED), Ok(()));
        for bad in [
            Witnesses { trace: 4.001, ..good },
            Witnesses { trace_sq: 14.001, ..good },
            Witnesses { residuals: [1e-4, 1e-7], ..good },
            Witnesses { residuals: [1e-7, 1e-4], ..good },
            Witnesses { trace: f64::NAN, ..good },
            Witnesses { residuals: [f64::NAN, 0.0], ..good },
        ] {
            assert!(bad.check(values.into_iter(), ALLOWED).is_err(), "{bad:?}");
        }
        assert!(good.check([-1.0, 2.0, 3.001].into_iter(), ALLOWED).is_err());
        let zero = Witnesses { trace: 0.0, trace_sq: 0.0, residuals: [0.0, 0.0] };
        assert_eq!(zero.check([0.0; 4].into_iter(), ALLOWED), Ok(()));
    }

    #[test]
    fn a_row_without_a_spectrum_is_nan_and_named() {
        let mut spectra = Spectra::default();
        spectra.push(Ok((2.0, -1.0)));
        spectra.push(Err("broken".into()));
        assert!(spectra.lambda_max[1].is_nan() && spectra.lambda_min[1].is_nan());
        assert_eq!((spectra.missing[0].row, spectra.missing[0].reason.as_str()), (1, "broken"));
    }

    #[test]
    fn replaced_rows_are_named_as_the_new_spectra_have_it() {
        let spectra = |rows: [Result<(f64, f64), String>; 3]| {
            let mut spectra = Spectra::default();
            rows.into_iter().for_each(|row| spectra.push(row));
            spectra
        };
        let mut all = spectra([Err("a".into()), Ok((2.0, 1.0)), Err("b".into())]);
        let mut found = Spectra::default();
        found.push(Ok((5.0, 4.0)));
        found.push(Err("c".into()));
        all.replace(&[0, 1], found);
        assert_eq!((all.lambda_max[0].to_bits(), all.lambda_max[1].is_nan()), (5.0_f64.to_bits(), true));
        let named: Vec<_> = all.missing.iter().map(|missing| (missing.row, missing.reason.as_str())).collect();
        assert_eq!(named, [(1, "c"), (2, "b")]);
    }
}
