//! The exact minimum of a quadratic model within a trust region.

use nalgebra::DVector;

/// The share of the largest eigenvalue below which a negative one is rounding.
const NOISE: f64 = 1e-14;

/// The relative accuracy of the length of a step that ends at the edge of the region.
const EDGE: f64 = 1e-6;

/// The step p that minimises g.p + p.H p / 2 within |p| <= `radius`, and by how much it lowers that model.
///
/// Everything is in coordinates of the eigenvectors of H: `eigenvalues` are lambda_k, `along` are u_k.g. The minimum is
/// p_k = -u_k.g / (lambda_k + sigma) with the smallest sigma >= max(0, -lambda_D) for which |p| <= `radius` (Moré and
/// Sorensen 1983). In the hard case, g has next to no part along the eigenvector of a negative lambda_D, and no sigma
/// above -lambda_D makes |p| as long as the radius. Then p is completed along that eigenvector up to the edge.
pub(super) fn trust_region_step(eigenvalues: &DVector<f64>, along: &DVector<f64>, radius: f64) -> (DVector<f64>, f64) {
    let (smallest_at, smallest) = eigenvalues.argmin();
    let largest = eigenvalues.amax();
    let step = |sigma: f64| along.zip_map(eigenvalues, |along, value| -along / (value + sigma));
    let newton = (smallest > 0.0).then(|| step(0.0)).filter(|newton| newton.norm() <= radius);
    let found = newton.unwrap_or_else(|| {
        let nearest = (-smallest).max(0.0) + (f64::EPSILON * largest).max(f64::MIN_POSITIVE);
        let mut found = step(nearest);
        let length = found.norm();
        if length <= radius {
            if smallest < -NOISE * largest {
                // Along +u_D or -u_D: downhill, or either way where g has no part along it.
                let others = found.norm_squared() - found[smallest_at].powi(2);
                let full = (radius * radius - others).max(0.0).sqrt();
                found[smallest_at] = if found[smallest_at] < 0.0 { -full } else { full };
            }
            return found;
        }
        edge_step(eigenvalues, along, radius, nearest)
    });
    let model = |(p, (along, value)): (&f64, (&f64, &f64))| -p * (along + 0.5 * value * p);
    let lowered = found.iter().zip(along.iter().zip(eigenvalues)).map(model).sum();
    (found, lowered)
}

/// The step whose length is `radius`, where that of `nearest` as sigma is longer: Newton's method on 1/|p|, which is
/// nearly linear in sigma, between bounds.
fn edge_step(eigenvalues: &DVector<f64>, along: &DVector<f64>, radius: f64, nearest: f64) -> DVector<f64> {
    let step = |sigma: f64| along.zip_map(eigenvalues, |along, value| -along / (value + sigma));
    // |p| <= |g| / (lambda_D + sigma).
    let (mut low, mut high) = (nearest, (along.norm() / radius - eigenvalues.min()).max(2.0 * nearest));
    let mut sigma = low;
    let mut found = step(sigma);
    for _ in 0..200 {
        let length = found.norm();
        if (length - radius).abs() <= EDGE * radius {
            break;
        }
        if length > radius {
            low = sigma
        } else {
            high = sigma
        }
        let slope: f64 = found.iter().zip(eigenvalues).map(|(p, value)| p * p / (value + sigma)).sum();
        let next = sigma + (length / radius - 1.0) * length * length / slope;
        sigma = if next > low && next < high { next } else { low + 0.5 * (high - low) };
        found = step(sigma);
    }
    found
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::trust_region_step;

    fn model(eigenvalues: &[f64], along: &[f64], p: &[f64]) -> f64 {
        eigenvalues.iter().zip(along).zip(p).map(|((value, along), p)| along * p + 0.5 * value * p * p).sum()
    }

    /// No point of a fine grid within the region is lower, in the hard case as well.
    #[test]
    fn no_point_of_the_region_is_lower() {
        for (eigenvalues, along) in [
            ([2.0, 1.0], [0.3, -0.4]),
            ([2.0, 1.0], [30.0, -0.4]),
            ([2.0, -1.0], [0.3, -0.4]),
            ([2.0, -1.0], [0.3, 0.0]),
            ([2.0, -1.0], [0.3, 1e-18]),
            ([-1.0, -1.0], [0.0, 0.0]),
            ([1.0, 0.0], [0.1, 0.2]),
            ([1e-13, 1e-13], [1e-13, 2e-13]),
        ] {
            for radius in [1e-3, 0.5, 1.0, 40.0] {
                let (step, lowered) =
                    trust_region_step(&DVector::from_row_slice(&eigenvalues), &DVector::from_row_slice(&along), radius);
                let found = model(&eigenvalues, &along, step.as_slice());
                assert!(step.norm() <= (1.0 + 2e-6) * radius, "{eigenvalues:?} {along:?} {radius}: {step}");
                assert!((found + lowered).abs() <= 1e-12 * (1.0 + found.abs()));
                for turn in 0..720 {
                    let (sine, cosine) = (f64::from(turn) * std::f64::consts::PI / 360.0).sin_cos();
                    for part in 0..=20 {
                        let length = radius * f64::from(part) / 20.0;
                        let other = model(&eigenvalues, &along, &[length * cosine, length * sine]);
                        let slack = 1e-5 * found.abs() + 1e-15 * (1.0 + radius * radius);
                        assert!(found <= other + slack, "{eigenvalues:?} {along:?} {radius}: {step}");
                    }
                }
            }
        }
    }

    #[test]
    fn along_a_null_direction_that_rounding_made_nothing_moves() {
        let (step, _) =
            trust_region_step(&DVector::from_vec(vec![1.0, -1e-17]), &DVector::from_vec(vec![0.1, 0.0]), 5.0);
        assert!(step[1].abs() < 1e-12 && (step[0] + 0.1).abs() < 1e-12, "{step}");
    }
}
