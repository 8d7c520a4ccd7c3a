//! The numeric routes: exact products against the assembled Hessian, and the error of every estimator against its law.

mod support;

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, ArrayView2};
use sharpsweep::model::{Activation, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::numeric::{
    HessianProduct, LayersProduct, Symmetric, for_each_network, hutch_plus_plus, hutchinson, hutchinson_sq, lanczos,
    power_iteration, rademacher, start_vector,
};
use sharpsweep::reference::hessian;
use support::cells::cells;
use support::{close, golden_cases};

/// Eigenvalues in ascending order, from code that is as independent of the routes as possible.
fn eigenvalues(matrix: ArrayView2<'_, f64>) -> Vec<f64> {
    let size = matrix.nrows();
    let shift = 2.0 * matrix.iter().map(|x| x * x).sum::<f64>().sqrt();
    let shifted = DMatrix::from_fn(size, size, |i, j| matrix[[i, j]] + if i == j { shift } else { 0.0 });
    let eigen = SymmetricEigen::try_new(shifted, f64::EPSILON, 10_000).unwrap();
    let mut values: Vec<f64> = eigen.eigenvalues.iter().map(|value| value - shift).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A symmetric matrix with the given eigenvalues and random eigenvectors.
fn with_spectrum(eigenvalues: &[f64], seed: u64) -> Array2<f64> {
    let size = eigenvalues.len();
    let random = DMatrix::from_fn(size, size, |i, j| rademacher(size, seed, i as u32)[j] + 0.1 * (i as f64 - j as f64));
    let q = random.qr().q();
    let matrix = &q * DMatrix::from_diagonal(&nalgebra::DVector::from_column_slice(eigenvalues)) * q.transpose();
    Array2::from_shape_fn((size, size), |(i, j)| 0.5 * (matrix[(i, j)] + matrix[(j, i)]))
}

fn theta_0(problem: &Problem, seed: u64, range: f32) -> Vec<f64> {
    initial_theta(problem.network.parameters(), seed, range).into_iter().map(f64::from).collect()
}

/// One random network with an indefinite Hessian, and that Hessian.
fn random_network(hidden: usize) -> (Problem, Vec<f64>, Array2<f64>) {
    let problem = Problem::new(hidden, Activation::Tanh, appendix_c(30, 1, Stream::TrainData).unwrap());
    let theta = theta_0(&problem, 3, 2.0);
    let hessian = hessian(&problem, &theta);
    (problem, theta, hessian)
}

fn root_mean_square(errors: impl Iterator<Item = f64>) -> f64 {
    let squares: Vec<f64> = errors.map(|e| e * e).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// The slope of log(error) over log(effort) by least squares.
fn log_slope(efforts: &[u32], errors: &[f64]) -> f64 {
    let x: Vec<f64> = efforts.iter().map(|&m| f64::from(m).ln()).collect();
    let y: Vec<f64> = errors.iter().map(|e| e.ln()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let covariance: f64 = x.iter().zip(&y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>()
}

/// Both sides are exact formulas in f64; what differs is the order of I sums.
#[test]
fn products_are_those_of_the_assembled_hessian() {
    for case in golden_cases() {
        let size = case.problem.network.parameters();
        for k in 0..case.seeds().min(4) {
            let theta = case.network(k);
            let hessian = hessian(&case.problem, &theta);
            let operator = HessianProduct::new(&case.problem.paper().unwrap(), &theta);
            assert_eq!(operator.size(), size);
            let scale = hessian.iter().map(|h| h * h).sum::<f64>().sqrt();
            let x = start_vector(size, k as u64);
            let (mut found, mut expected) = (vec![f64::NAN; size], vec![f64::NAN; size]);
            operator.apply(&x, &mut found);
            hessian.view().apply(&x, &mut expected);
            if let Err(misses) = close(&found, &expected, 1e-13 * scale, 0.0) {
                panic!("{} network {k}: {misses}", case.name);
            }
            // An exchange of two neighbouring components of the direction is noticed.
            let mut exchanged = x.clone();
            exchanged.swap(0, size - 1);
            operator.apply(&exchanged, &mut found);
            assert!(close(&found, &expected, 1e-13 * scale, 0.0).is_err(), "{}: exchanged components pass", case.name);
        }
    }
}

/// At every depth, loss, number of outputs and activation, with weights and without: both sides are exact formulas.
#[test]
fn products_at_any_depth_are_those_of_the_assembled_hessian() {
    for problem in cells() {
        let size = problem.network.parameters();
        let theta: Vec<f64> = (0..size).map(|d| 1.1 * (d as f64 * 1.7 + 0.3).sin()).collect();
        let hessian = hessian(&problem, &theta);
        let operator = LayersProduct::new(&problem, &theta);
        assert_eq!(operator.size(), size);
        let at = format!("{} {} {}", problem.network.shape, problem.network.activation.name(), problem.loss().name());
        let scale = hessian.iter().map(|h| h * h).sum::<f64>().sqrt();
        let x = start_vector(size, 4);
        // What was in `out` does not count.
        let (mut found, mut expected) = (vec![f64::NAN; size], vec![f64::NAN; size]);
        operator.apply(&x, &mut found);
        hessian.view().apply(&x, &mut expected);
        close(&found, &expected, 1e-13 * scale, 0.0).unwrap_or_else(|misses| panic!("{at}: {misses}"));
        let mut exchanged = x.clone();
        exchanged.swap(0, size - 1);
        operator.apply(&exchanged, &mut found);
        assert!(close(&found, &expected, 1e-13 * scale, 0.0).is_err(), "{at}: exchanged components pass");
    }
}

/// The paper's networks have a product of their own, and the general one is the same.
#[test]
fn products_at_any_depth_are_the_papers_on_its_networks() {
    let (problem, theta, hessian) = random_network(5);
    let scale = hessian.iter().map(|h| h * h).sum::<f64>().sqrt();
    let x = start_vector(theta.len(), 9);
    let (mut papers, mut general) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
    HessianProduct::new(&problem.paper().unwrap(), &theta).apply(&x, &mut papers);
    LayersProduct::new(&problem, &theta).apply(&x, &mut general);
    close(&general, &papers, 1e-13 * scale, 0.0).unwrap();
}

/// Both counts are of the same loops: the general one has a product with S and the mirrored edge more.
#[test]
fn flops_of_products_agree_with_the_papers_count() {
    for (inputs, hidden) in [(2, 3), (30, 6), (64, 100)] {
        let shape = sharpsweep::model::OneHidden::new(inputs, hidden);
        let general = sharpsweep::model::Shape::new(inputs, &[hidden], 1).unwrap();
        let papers = HessianProduct::flops(shape, 50) as f64;
        let ratio = LayersProduct::flops(general.layers(), 50) as f64 / papers;
        assert!((1.0..1.3).contains(&ratio), "{inputs} {hidden}: {ratio}");
    }
}

#[test]
fn lanczos_reaches_rounding_within_d_steps() {
    for hidden in [1, 3, 10, 33] {
        let (problem, theta, matrix) = random_network(hidden);
        let size = problem.network.parameters();
        let exact = eigenvalues(matrix.view());
        let norm = exact.iter().map(|x| x * x).sum::<f64>().sqrt();
        let found = lanczos(&HessianProduct::new(&problem.paper().unwrap(), &theta), 0.0, size, 5);
        assert!(found.products <= size);
        let both = [found.lambda_min, found.lambda_max];
        if let Err(misses) = close(&both, &[exact[0], exact[size - 1]], 1e-14 * norm * size as f64, 0.0) {
            panic!("N = {hidden}: {misses}");
        }
        // One step is the Rayleigh quotient of the start vector, which is far off.
        let one = lanczos(&HessianProduct::new(&problem.paper().unwrap(), &theta), 0.0, 1, 5);
        assert!((one.lambda_max - exact[size - 1]).abs() > 1e-3 * norm, "N = {hidden}");
    }
}

/// Kaniel and Saad's bound holds at every step, the values grow monotonically, and an eigenvalue lies within the
/// residual.
#[test]
fn lanczos_errors_stay_below_the_chebyshev_bound() {
    let spectrum: Vec<f64> = (0..60).map(|k| if k == 59 { 1.5 } else { f64::from(k) / 60.0 }).collect();
    let matrix = with_spectrum(&spectrum, 2);
    let exact = eigenvalues(matrix.view());
    let (lambda_1, lambda_2, lambda_d) = (exact[59], exact[58], exact[0]);
    // cos(start, u_1)^2 from the limit of powers: u_1 by many steps of power iteration.
    let mut u = start_vector(60, 11);
    let mut product = vec![0.0; 60];
    for _ in 0..400 {
        matrix.view().apply(&u, &mut product);
        let length = product.iter().map(|x| x * x).sum::<f64>().sqrt();
        u = product.iter().map(|x| x / length).collect();
    }
    let cosine: f64 = u.iter().zip(start_vector(60, 11)).map(|(u, s)| u * s).sum();
    let tangent_sq = 1.0 / cosine.powi(2) - 1.0;
    let argument = 1.0 + 2.0 * (lambda_1 - lambda_2) / (lambda_2 - lambda_d);
    let mut before = f64::NEG_INFINITY;
    for steps in 2..20 {
        let found = lanczos(&matrix.view(), 0.0, steps, 11);
        let error = lambda_1 - found.lambda_max;
        let chebyshev = ((steps as f64 - 1.0) * argument.acosh()).cosh();
        let bound = (lambda_1 - lambda_d) * tangent_sq / chebyshev.powi(2);
        assert!(error <= bound + 1e-12 && error >= -1e-12, "step {steps}: {error:e} above {bound:e}");
        assert!(found.lambda_max >= before - 1e-12, "step {steps} fell");
        let nearest = exact.iter().map(|x| (x - found.lambda_max).abs()).fold(f64::INFINITY, f64::min);
        assert!(nearest <= found.residuals[0] + 1e-12, "step {steps}: {nearest:e} above {:e}", found.residuals[0]);
        before = found.lambda_max;
    }
    assert!(lambda_1 - before < 1e-9, "20 steps leave {:e}", lambda_1 - before);
}

#[test]
fn lanczos_stops_by_its_residual_and_on_invariant_spaces() {
    let (problem, theta, matrix) = random_network(10);
    let exact = eigenvalues(matrix.view());
    let operator = HessianProduct::new(&problem.paper().unwrap(), &theta);
    let loose = lanczos(&operator, 1e-3, 41, 0);
    let tight = lanczos(&operator, 1e-10, 41, 0);
    assert!(loose.products < tight.products, "{} {}", loose.products, tight.products);
    assert!(tight.residuals.iter().all(|r| r.abs() <= 1e-10 * exact[40].abs().max(exact[0].abs())));
    // Rank 2: three steps span the space of both eigenvectors and the kernel's share of the start vector.
    let mut low = vec![0.0; 50];
    (low[3], low[7]) = (5.0, -2.0);
    let found = lanczos(&with_spectrum(&low, 1).view(), 0.0, 50, 0);
    assert!(found.products <= 4, "{found:?}");
    assert!((found.lambda_max - 5.0).abs() < 1e-12 && (found.lambda_min + 2.0).abs() < 1e-12, "{found:?}");
    let zero = lanczos(&Array2::zeros((9, 9)).view(), 1e-6, 9, 0);
    assert!(zero.products == 1 && zero.lambda_max.abs() < 1e-300, "{zero:?}");
    let nan = lanczos(&Array2::from_elem((9, 9), f64::NAN).view(), 1e-6, 9, 0);
    assert!(nan.lambda_max.is_nan() && nan.lambda_min.is_nan() && nan.residuals[0].is_nan());
}

#[test]
fn power_iteration_converges_at_the_rate_of_the_eigenvalue_ratio() {
    // With |lambda_2 / lambda_1| = 0.8, the error of the Rayleigh quotient falls by the factor 0.64 per step once the
    // rest is gone.
    let mut spectrum: Vec<f64> = (0..30).map(|k| 0.01 * f64::from(k)).collect();
    (spectrum[28], spectrum[29]) = (0.8, 1.0);
    let matrix = with_spectrum(&spectrum, 4);
    let error = |steps| 1.0 - power_iteration(&matrix.view(), 0.0, steps, 9).lambda_max;
    let rate = (error(40) / error(20)).powf(1.0 / 20.0);
    assert!((rate - 0.64).abs() < 0.01, "{rate}");
    assert!((rate - 0.8).abs() > 0.1, "the rate of the vector would be 0.8");
    let stopped = power_iteration(&matrix.view(), 1e-8, 10_000, 9);
    assert!(stopped.residual <= 1e-8 && stopped.products < 200, "{stopped:?}");
}

#[test]
fn power_iteration_shifts_where_the_smallest_eigenvalue_dominates() {
    let matrix = with_spectrum(&[-3.0, -1.0, 0.0, 0.5, 2.0], 6);
    let found = power_iteration(&matrix.view(), 1e-10, 10_000, 1);
    assert!((found.lambda_max - 2.0).abs() < 1e-9 && (found.shift + 3.0).abs() < 1e-6, "{found:?}");
    let positive = power_iteration(&with_spectrum(&[-1.0, 0.0, 0.5, 2.0], 6).view(), 1e-10, 10_000, 1);
    assert!(positive.shift.abs() < 1e-300 && (positive.lambda_max - 2.0).abs() < 1e-9, "{positive:?}");
    // A pair of equal magnitude: no convergence, and the residual says so.
    let pair = power_iteration(&with_spectrum(&[-2.0, 0.0, 0.5, 2.0], 6).view(), 1e-10, 500, 1);
    assert!(pair.residual > 0.1, "{pair:?}");
}

/// Standard deviation over 4,000 repeats: known to 1.2 % (one standard error), compared to 5 %. Slope: to 0.05.
#[test]
fn hutchinson_errors_are_those_of_theory_and_fall_with_the_root_of_the_probes() {
    let (problem, theta, matrix) = random_network(4);
    let size = matrix.nrows();
    let operator = HessianProduct::new(&problem.paper().unwrap(), &theta);
    let square = matrix.dot(&matrix);
    let exact = [matrix.diag().sum(), square.diag().sum()];
    let deviation = |matrix: &Array2<f64>| {
        let diagonal: f64 = matrix.diag().iter().map(|h| h * h).sum();
        (2.0 * (matrix.iter().map(|h| h * h).sum::<f64>() - diagonal)).sqrt()
    };
    let theory = [deviation(&matrix), deviation(&square)];
    let routes = [
        |m: &HessianProduct<'_>, k, seed| hutchinson(m, k, seed),
        |m: &HessianProduct<'_>, k, seed| hutchinson_sq(m, k, seed),
    ];
    for (k, route) in routes.into_iter().enumerate() {
        let efforts = [4, 16, 64];
        let errors = efforts.map(|probes| {
            let repeats = 8000 / u64::from(probes);
            root_mean_square((0..repeats).map(|seed| route(&operator, probes, seed) - exact[k]))
        });
        let one = root_mean_square((0..4000).map(|seed| route(&operator, 1, seed) - exact[k]));
        assert!((one / theory[k] - 1.0).abs() < 0.05, "estimator {k}: {one} against {}", theory[k]);
        let slope = log_slope(&efforts, &errors);
        assert!((slope + 0.5).abs() < 0.1, "estimator {k}: slope {slope}, D = {size}");
        let mean = (0..4000).map(|seed| route(&operator, 1, seed)).sum::<f64>() / 4000.0;
        assert!((mean - exact[k]).abs() < 4.0 * theory[k] / 4000_f64.sqrt(), "estimator {k} is biased");
    }
}

/// On eigenvalues 1/k^2 Hutch++ gains an order (1/products) on Hutchinson (1/sqrt(products)).
#[test]
fn hutch_plus_plus_beats_hutchinson_on_decaying_spectra() {
    let spectrum: Vec<f64> = (1..=150).map(|k| 1.0 / f64::from(k).powi(2)).collect();
    let matrix = with_spectrum(&spectrum, 8);
    let exact: f64 = spectrum.iter().sum();
    let efforts = [12, 24, 48, 96];
    let errors = |route: fn(&ArrayView2<'_, f64>, u32, u64) -> f64| {
        efforts.map(|products| root_mean_square((0..200).map(|seed| route(&matrix.view(), products, seed) - exact)))
    };
    let (plain, better) =
        (errors(|m, k, seed| hutchinson(m, k, seed)), errors(|m, k, seed| hutch_plus_plus(m, k, seed)));
    let (slope, slope_better) = (log_slope(&efforts, &plain), log_slope(&efforts, &better));
    assert!((slope + 0.5).abs() < 0.1, "{slope}");
    assert!(slope_better < -1.0, "{slope_better}");
    assert!(better[3] < 0.05 * plain[3], "{} against {}", better[3], plain[3]);
    // Exact once a third of the products spans the range.
    let mut low = vec![0.0; 60];
    (low[0], low[1], low[2]) = (3.0, -2.0, 0.5);
    let found = hutch_plus_plus(&with_spectrum(&low, 3).view(), 12, 0);
    assert!((found - 1.5).abs() < 1e-12, "{found}");
}

/// The results for rows together are those for each row alone, whatever the number of cores.
#[test]
fn a_batch_is_its_networks_one_by_one() {
    let problem = Problem::new(3, Activation::Gelu, appendix_c(20, 2, Stream::TrainData).unwrap());
    let theta = Array2::from_shape_vec((9, 13), (0..9).flat_map(|k| theta_0(&problem, k, 3.0)).collect()).unwrap();
    let batch = for_each_network(&problem, theta.view().into(), |k, operator| hutchinson(operator, 5, k as u64));
    for (k, found) in batch.into_iter().enumerate() {
        let one =
            hutchinson(&HessianProduct::new(&problem.paper().unwrap(), &theta_0(&problem, k as u64, 3.0)), 5, k as u64);
        assert_eq!(found.to_bits(), one.to_bits());
    }
}
