//! Spectrum, moments and the columns of a network agree with the golden cases and with their definitions.

mod support;

use ndarray::{Array2, Axis};
use sharpsweep::bounds::{NetworkBounds, network_bounds, network_bounds_of_each};
use sharpsweep::engine::{HessianMoments, Powers};
use sharpsweep::model::Activation;
use sharpsweep::reference::{SpectrumError, hessian, hessian_moments, pair_forms, spectra, terms};
use support::{GoldenCase, close, close_scaled, golden_cases};

fn check(case: &GoldenCase, quantity: &str, result: Result<(), String>) {
    if let Err(misses) = result {
        panic!("{} {quantity}: {misses}", case.name);
    }
}

/// ||H||_F of every network: an eigenvalue solver's error is relative to the largest magnitude.
fn norms(case: &GoldenCase) -> Vec<f64> {
    case.column("moment2").iter().map(|t| t.sqrt()).collect()
}

#[test]
fn extreme_eigenvalues_match_the_oracle() {
    for case in golden_cases() {
        let scale = norms(&case);
        let found: Vec<_> =
            spectra(&case.problem, case.theta.view().into(), 0).into_iter().map(Result::unwrap).collect();
        let largest: Vec<f64> = found.iter().map(|s| s.lambda_max()).collect();
        let smallest: Vec<f64> = found.iter().map(|s| s.lambda_min()).collect();
        check(&case, "lambda_max", close_scaled(&largest, &case.column("lambda_max"), &scale, 1e-10));
        check(&case, "lambda_min", close_scaled(&smallest, &case.column("lambda_min"), &scale, 1e-10));
        let second: Vec<f64> = found.iter().map(|s| s.eigenvalues[1]).collect();
        assert!(close_scaled(&second, &case.column("lambda_max"), &scale, 1e-10).is_err(), "{}", case.name);
    }
}

#[test]
fn eigenvectors_satisfy_their_equation_and_are_orthonormal() {
    for case in golden_cases() {
        let found = spectra(&case.problem, case.theta.view().into(), 4);
        for (k, spectrum) in found.into_iter().enumerate() {
            let spectrum = spectrum.unwrap();
            let hessian = hessian(&case.problem, &case.network(k));
            let u = &spectrum.eigenvectors;
            let images = u.dot(&hessian);
            let expected = u * &ndarray::Array1::from(spectrum.eigenvalues[..4].to_vec()).insert_axis(Axis(1));
            let norm = hessian.iter().map(|h| h * h).sum::<f64>().sqrt();
            let flat = |a: &Array2<f64>| a.iter().copied().collect::<Vec<f64>>();
            check(&case, "H u", close(&flat(&images), &flat(&expected), 1e-12 * norm, 0.0));
            check(&case, "u.u", close(&flat(&u.dot(&u.t())), &flat(&Array2::eye(4)), 1e-12, 0.0));
            let mut exchanged = expected.clone();
            exchanged.invert_axis(Axis(0));
            assert!(close(&flat(&images), &flat(&exchanged), 1e-12 * norm, 0.0).is_err(), "{}", case.name);
        }
    }
}

#[test]
fn a_diverged_network_has_an_error_and_the_others_their_spectra() {
    let case = &golden_cases()[0];
    let mut theta = case.theta.clone();
    theta[[1, 0]] = f64::NAN;
    let found = spectra(&case.problem, theta.view().into(), 1);
    assert!(matches!(found[1], Err(SpectrumError::NotFinite { .. })), "{:?}", found[1]);
    assert!(found.iter().enumerate().all(|(k, spectrum)| k == 1 || spectrum.is_ok()));
}

/// tr H^2 .. tr H^4 from the traces of powers of C = H / scale - mu.
fn raw_moments(m: &HessianMoments) -> [f64; 3] {
    let (d, mu, second, [third, fourth]) = (m.parameters as f64, m.shift, m.norm * m.norm, m.third_and_fourth);
    [
        m.scale.powi(2) * (second + d * mu * mu),
        m.scale.powi(3) * (third + 3.0 * mu * second + d * mu.powi(3)),
        m.scale.powi(4) * (fourth + 4.0 * mu * third + 6.0 * mu * mu * second + d * mu.powi(4)),
    ]
}

#[test]
fn moments_match_the_oracle() {
    for case in golden_cases() {
        for k in 0..case.seeds() {
            let hessian = hessian(&case.problem, &case.network(k));
            let found = raw_moments(&hessian_moments(hessian.view(), Powers::Four, 0.0));
            for ((quantity, power), found) in [("moment2", 2), ("moment3", 3), ("moment4", 4)].into_iter().zip(found) {
                let expected = case.column(quantity)[k];
                let scale = case.column("moment2")[k].sqrt().powi(power);
                check(&case, quantity, close_scaled(&[found], &[expected], &[scale], 1e-10));
                assert!(close_scaled(&[1.001 * found], &[expected], &[expected], 1e-10).is_err(), "{}", case.name);
            }
        }
    }
}

#[test]
fn columns_of_a_network_match_their_definitions() {
    for case in golden_cases() {
        let all = network_bounds_of_each(&case.problem.paper().unwrap(), case.theta.view().into());
        assert_eq!(all.len(), case.seeds());
        let (shape, data) = (case.problem.paper().unwrap().network.shape, &case.problem.data);
        for (k, bounds) in all.iter().enumerate() {
            let theta = case.network(k);
            assert_eq!(*bounds, network_bounds(&case.problem.paper().unwrap(), &theta));
            let terms = terms(&case.problem.paper().unwrap(), &theta);
            let (mut psi_sq, mut phi_max, mut hidden, mut input) = (0.0, f64::NEG_INFINITY, 0.0, 0.0);
            let (mut input_bias, mut hidden_bias) = (0.0, 0.0);
            for i in 0..terms.samples {
                for j in 0..terms.samples {
                    let forms = pair_forms(&case.problem.paper().unwrap(), &theta, &terms, i, j);
                    let x = data.sample(i).dot(&data.sample(j));
                    psi_sq += forms.psi.powi(2);
                    phi_max = f64::max(phi_max, forms.phi);
                    let r = terms.row(&terms.r, i).iter().zip(terms.row(&terms.r, j));
                    hidden += r.map(|(a, b)| a * b).sum::<f64>().powi(2);
                    hidden_bias += forms.hidden_gram.powi(2);
                    input += x * x;
                    input_bias += (1.0 + x).powi(2);
                }
            }
            let weights = |range: std::ops::Range<usize>| theta[range].iter().map(|t| t * t).sum::<f64>();
            let expected = [
                psi_sq + (1.0 + phi_max) * input_bias + hidden_bias / 16.0,
                phi_max,
                weights(shape.v_bias()..shape.parameters()),
                weights(0..shape.v_bias()),
                hidden,
                input,
            ];
            let found = NetworkBounds::COLUMNS.map(|(_, read)| read(bounds));
            check(&case, "columns", close(&found[2..], &expected, 0.0, 1e-12));
            let mut exchanged = expected;
            exchanged.swap(2, 3);
            assert!(close(&found[2..], &exchanged, 0.0, 1e-12).is_err(), "{}", case.name);
        }
    }
}

#[test]
fn nan_in_theta_shows_in_every_column_that_depends_on_it() {
    let cases = golden_cases();
    let case = cases.iter().find(|case| case.problem.network.activation == Activation::Sigmoid).unwrap();
    let shape = case.problem.paper().unwrap().network.shape;
    let mut theta = case.network(0);
    theta[shape.v(0)] = f64::NAN;
    let bounds = network_bounds(&case.problem.paper().unwrap(), &theta);
    assert!(bounds.phi_max.is_nan() && bounds.trace_sq_bound.is_nan() && bounds.trace_ww_bound.is_nan());
    assert!(bounds.v_norm_sq.is_nan() && !bounds.w_norm_sq.is_nan() && !bounds.trace_vv_bound.is_nan());
}
