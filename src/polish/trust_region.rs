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
        let nearest = (-smallest).max(0.0) + f64::EPSILON * largest;
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
