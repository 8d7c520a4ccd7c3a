//! Any processor: 8 lanes as a plain array, which compilers turn into the vectors that every processor of the target has
//! (NEON on 64-bit Arm, SSE2 on x86-64).

use std::array;
use std::ops::{Add, AddAssign, Mul, Sub};

use super::coefficients::{EXP2_CENTRED, EXP2_MINUS_ONE};
use super::{Lanes, polynomial};

/// Whether the target surely has a fused multiply-add. Without it `f32::mul_add` is a slow library call.
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Adding and subtracting 1.5 2^23 rounds to the nearest whole number, and leaves it in the low bits in between.
const ROUND: f32 = 12_582_912.0;

/// 8 f32 in memory order.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(32))]
pub(super) struct F32x8([f32; 8]);

impl F32x8 {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    /// self cut to at least -125, split into the nearest whole number and the rest, and 2^whole.
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let bounded = self.at_least(Self::splat(-125.0));
        let fraction = bounded.map(|t| t - ((t + ROUND) - ROUND));
        let scale = bounded.map(|t| f32::from_bits(((t + ROUND).to_bits() << 23).wrapping_add(1.0_f32.to_bits())));
        (fraction, scale)
    }
}

impl Add for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl AddAssign for F32x8 {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Lanes for F32x8 {
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        if FUSED { Self(array::from_fn(|lane| self.0[lane].mul_add(a.0[lane], b.0[lane]))) } else { self * a + b }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self, b: Self) -> Self {
        if FUSED { Self(array::from_fn(|lane| (-self.0[lane]).mul_add(a.0[lane], b.0[lane]))) } else { b - self * a }
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        self.zip(bound, |x, bound| if bound < x { bound } else { x })
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        self.zip(bound, |x, bound| if bound > x { bound } else { x })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }

    #[inline(always)]
    fn where_negative(self, negative: Self, otherwise: Self) -> Self {
        Self(array::from_fn(|lane| if self.0[lane] < 0.0 { negative.0[lane] } else { otherwise.0[lane] }))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }

    #[inline(always)]
    fn reciprocal(self) -> Self {
        self.map(|x| 1.0 / x)
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        // NaN reaches the result through the fraction: the scale is some number or NaN then, and a product with NaN is NaN.
        let (fraction, scale) = self.split();
        polynomial(fraction, EXP2_CENTRED) * scale
    }

    #[inline(always)]
    fn exp2_and_minus_one(self) -> (Self, Self) {
        let (fraction, scale) = self.split();
        let minus_one = polynomial(fraction, EXP2_MINUS_ONE) * fraction;
        (scale.mul_add(minus_one, scale), scale.mul_add(minus_one, scale - Self::splat(1.0)))
    }

    #[inline(always)]
    fn all_finite_and_at_least(self, low: Self) -> bool {
        // No early exit: all lanes in one go.
        (0..Self::COUNT).fold(true, |all, lane| all & (self.0[lane] >= low.0[lane]) & (self.0[lane] <= f32::MAX))
    }
}
