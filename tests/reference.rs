//! The f64 reference agrees with automatic differentiation (the golden cases) and with central differences, and each
//! comparison is shown to fail for a formula that is slightly wrong.

mod support;

use ndarray::Array2;
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::model::{OneHidden, Problem};
use sharpsweep::reference::{
    Terms, central_difference_hessian, gradient, hessian, loss, output, pair_forms, terms, trace_sq, trace_vv, trace_ww,
};
use support::{GoldenCase, close, close_scaled, golden_cases};

/// The oracle and the reference both compute in f64 and differ in the order of operations; 1e-10 of the natural scale
/// is five digits above the errors seen and far below any wrong term.
const RELATIVE: f64 = 1e-10;

/// `quantity` of every network of a case.
fn each(case: &GoldenCase, quantity: impl Fn(&[f64], &Terms) -> f64) -> Vec<f64> {
    let value = |k| {
        let theta = case.network(k);
        quantity(&theta, &terms(&case.problem.paper().unwrap(), &theta))
    };
    (0..case.seeds()).map(value).collect()
}

/// sqrt(D tr H^2), the scale of the traces: |tr H| cannot exceed it, whatever cancels inside.
fn trace_scale(case: &GoldenCase) -> Vec<f64> {
    let d = case.problem.network.parameters() as f64;
    case.column("moment2").iter().map(|trace_sq| (d * trace_sq).sqrt()).collect()
}

/// Fails with the name of the case in front of the misses.
fn assert_close(case: &GoldenCase, quantity: &str, result: Result<(), String>) {
    if let Err(misses) = result {
        panic!("{} {quantity}: {misses}", case.name);
    }
}

#[test]
fn loss_matches_automatic_differentiation() {
    for case in golden_cases() {
        let Problem { network, ref data, .. } = case.problem;
        let expected = case.column("loss");
        let actual: Vec<f64> = (0..case.seeds()).map(|k| loss(&case.problem, &case.network(k))).collect();
        // The oracle forms softplus(z) - q z, whose terms are as large as |z|.
        let scale: Vec<f64> = (0..case.seeds())
            .map(|k| output(network.one_hidden().unwrap(), data, &case.network(k)).iter().map(|z| 1.0 + z.abs()).sum())
            .collect();
        assert_close(&case, "loss", close_scaled(&actual, &expected, &scale, RELATIVE));
        let mean: Vec<f64> = actual.iter().map(|sum| sum / data.samples() as f64).collect();
        if data.samples() > 1 {
            assert!(close_scaled(&mean, &expected, &scale, RELATIVE).is_err(), "{}: the loss is a sum", case.name);
        }
    }
}

#[test]
fn gradient_matches_automatic_differentiation() {
    for case in golden_cases() {
        let expected = case.rows("grad");
        for k in 0..case.seeds() {
            let actual = gradient(&case.problem, &case.network(k));
            let expected = expected.row(k).to_vec();
            let largest = expected.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
            let result = close(&actual, &expected, RELATIVE * largest, RELATIVE);
            assert_close(&case, &format!("gradient of network {k}"), result);
            let mut rotated = actual;
            rotated.rotate_left(1);
            assert!(
                close(&rotated, &expected, RELATIVE * largest, RELATIVE).is_err(),
                "{}: parameters in the wrong order pass",
                case.name
            );
        }
    }
}

#[test]
fn traces_match_automatic_differentiation() {
    for case in golden_cases() {
        let scale = trace_scale(&case);
        let ww = each(&case, |theta, terms| trace_ww(&case.problem.paper().unwrap(), theta, terms));
        let vv = each(&case, |_, terms| trace_vv(terms));
        let sum: Vec<f64> = ww.iter().zip(&vv).map(|(ww, vv)| ww + vv).collect();
        for (quantity, actual) in [("trace_ww", &ww), ("trace_vv", &vv), ("trace", &sum)] {
            let expected = case.column(quantity);
            assert_close(&case, quantity, close_scaled(actual, &expected, &scale, RELATIVE));
            let off: Vec<f64> = actual.iter().map(|trace| trace * (1.0 + 1e-6)).collect();
            assert!(close(&off, &expected, 0.0, RELATIVE).is_err(), "{} {quantity}: 1e-6 off passes", case.name);
        }
        let (expected, lost_bias) = (case.column("trace_vv"), each(&case, |_, terms| trace_vv_without_bias(terms)));
        assert!(close_scaled(&lost_bias, &expected, &scale, RELATIVE).is_err(), "{}: h(r) has a bias", case.name);
    }
}

#[test]
fn pairwise_trace_sq_matches_automatic_differentiation() {
    for case in golden_cases() {
        let expected = case.column("moment2");
        let actual = each(&case, |theta, terms| trace_sq(&case.problem.paper().unwrap(), theta, terms));
        assert_close(&case, "trace_sq", close(&actual, &expected, 0.0, RELATIVE));
    }
}

/// The comparison above notices an exchanged index in E, a plausible mistake that is off by only a few per cent.
#[test]
fn exchanged_indices_in_e_are_noticed() {
    for case in golden_cases().iter().filter(|case| case.problem.data.samples() > 1) {
        let expected = case.column("moment2");
        let right = each(case, |theta, terms| full_pair_sum(&case.problem, theta, terms, 0.0));
        let exchanged = each(case, |theta, terms| full_pair_sum(&case.problem, theta, terms, 1.0));
        assert_close(case, "trace_sq over ordered pairs", close(&right, &expected, 0.0, RELATIVE));
        assert!(close(&exchanged, &expected, 0.0, RELATIVE).is_err(), "{}: exchanged indices in E pass", case.name);
    }
}

#[test]
fn wolkowicz_styan_bounds_match_the_oracle() {
    for case in golden_cases() {
        let (trace, trace_sq) = (case.column("trace"), case.column("moment2"));
        let d = case.problem.network.parameters();
        let scale: Vec<f64> = trace_sq.iter().map(|t| t.sqrt()).collect();
        let ours = |k: &usize| {
            let theta = case.network(*k);
            let terms = terms(&case.problem.paper().unwrap(), &theta);
            let trace = trace_ww(&case.problem.paper().unwrap(), &theta, &terms) + trace_vv(&terms);
            wolkowicz_styan(trace, self::trace_sq(&case.problem.paper().unwrap(), &theta, &terms), d)
        };
        let bounds: Vec<_> = (0..case.seeds()).collect::<Vec<_>>().iter().map(ours).collect();
        let upper: Vec<f64> = bounds.iter().map(|b| b.lambda_sup).collect();
        let lower: Vec<f64> = bounds.iter().map(|b| b.lambda_max_lower).collect();
        assert_close(&case, "lambda_sup", close_scaled(&upper, &case.column("ws_upper"), &scale, RELATIVE));
        assert_close(&case, "lower bound", close_scaled(&lower, &case.column("ws_lower"), &scale, RELATIVE));
        let wrong_d: Vec<f64> =
            trace.iter().zip(&trace_sq).map(|(&t, &t2)| wolkowicz_styan(t, t2, d + 1).lambda_sup).collect();
        assert!(close_scaled(&wrong_d, &case.column("ws_upper"), &scale, RELATIVE).is_err(), "{}", case.name);
    }
}

#[test]
fn assembled_hessian_matches_automatic_differentiation() {
    let mut compared = 0;
    for case in golden_cases() {
        let Some(expected) = case.hessians() else { continue };
        for k in 0..case.seeds() {
            let actual = hessian(&case.problem, &case.network(k));
            let expected: Vec<f64> = expected.index_axis(ndarray::Axis(0), k).iter().copied().collect();
            let frobenius = expected.iter().map(|h| h * h).sum::<f64>().sqrt();
            let miss = |hessian: &Array2<f64>| {
                let hessian: Vec<f64> = hessian.iter().copied().collect();
                close(&hessian, &expected, RELATIVE * frobenius, RELATIVE)
            };
            assert_close(&case, &format!("Hessian of network {k}"), miss(&actual));
            let block = without_direct_part(&case.problem, &case.network(k), actual);
            assert!(miss(&block).is_err(), "{}: H(w,v) without its delta part passes", case.name);
            compared += 1;
        }
    }
    assert!(compared > 0, "no golden case has a Hessian");
}

/// The truncation error of the difference is h^2 |third derivative of the gradient| / 6, its rounding error 1e-16 |g| /
/// h: with h = 1e-4 both stay below 1e-6 of the Hessian for weights up to 10.
#[test]
fn assembled_hessian_matches_central_differences() {
    for case in golden_cases() {
        let theta = case.network(0);
        let analytic = hessian(&case.problem, &theta);
        let scale = analytic.iter().map(|h| h * h).sum::<f64>().sqrt();
        let largest = gradient(&case.problem, &theta).iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
        let numeric = central_difference_hessian(&case.problem, &theta, 1e-4);
        let analytic: Vec<f64> = analytic.iter().copied().collect();
        let numeric: Vec<f64> = numeric.iter().copied().collect();
        let atol = 1e-6 * scale + 1e-11 * largest;
        assert_close(&case, "central difference", close(&numeric, &analytic, atol, 0.0));
        let scaled: Vec<f64> = analytic.iter().map(|h| 1.001 * h).collect();
        assert!(close(&numeric, &scaled, atol, 0.0).is_err(), "{}: a scaled Hessian passes", case.name);
    }
}

#[test]
fn the_comparison_reports_every_miss_and_nan() {
    assert_eq!(close(&[1.0, 2.0], &[1.0, 2.0 + 1e-12], 0.0, 1e-10), Ok(()));
    let message = close(&[1.0, 2.5, f64::NAN], &[1.0, 2.0, 3.0], 0.0, 1e-10).unwrap_err();
    assert!(
        message.starts_with("2 of 3 values miss") && message.contains("[1]") && message.contains("[2]"),
        "{message}"
    );
    assert!(close(&[1.0], &[f64::NAN], 1.0, 1.0).is_err());
    assert!(close(&[1.0], &[1.0, 1.0], 1.0, 1.0).is_err());
    assert!(close_scaled(&[0.0], &[1e-12], &[f64::NAN], 1e-10).is_err());
}

fn trace_vv_without_bias(terms: &Terms) -> f64 {
    (0..terms.samples).map(|i| terms.s[i] * terms.row(&terms.r, i).iter().map(|r| r * r).sum::<f64>()).sum()
}

/// tr H^2 over all ordered pairs with psi from its definition; `exchange` = 1 exchanges r_i and r_j in E.
fn full_pair_sum(problem: &Problem, theta: &[f64], terms: &Terms, exchange: f64) -> f64 {
    let e = |i: usize, j: usize| -> f64 {
        let (r, f_i, f_j) = (terms.row(&terms.r, i), terms.row(&terms.df, i), terms.row(&terms.df, j));
        (0..terms.hidden).map(|n| theta[problem.paper().unwrap().network.shape.v(n)] * r[n] * f_i[n] * f_j[n]).sum()
    };
    let mut sum = 0.0;
    for i in 0..terms.samples {
        for j in 0..terms.samples {
            let forms = pair_forms(&problem.paper().unwrap(), theta, terms, i, j);
            let shift = (terms.s[i] * terms.delta[j] - terms.s[j] * terms.delta[i]) * (e(j, i) - e(i, j));
            let k = 1.0 + problem.data.sample(i).dot(&problem.data.sample(j));
            let psi = forms.psi + exchange * shift;
            sum += forms.phi * k * k + 2.0 * psi * k + forms.omega * forms.hidden_gram.powi(2);
        }
    }
    sum
}

/// `hessian` minus its direct part, delta \[0_N F'\] in H(w,v).
fn without_direct_part(problem: &Problem, theta: &[f64], mut hessian: Array2<f64>) -> Array2<f64> {
    let (shape, terms): (OneHidden, Terms) =
        (problem.paper().unwrap().network.shape, terms(&problem.paper().unwrap(), theta));
    for i in 0..terms.samples {
        for n in 0..shape.hidden {
            hessian[[shape.w(n, 0), shape.v(n)]] -= terms.delta[i] * terms.row(&terms.df, i)[n];
        }
    }
    hessian
}
