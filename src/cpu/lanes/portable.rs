//! Any processor: 8 lanes of f32 and 4 of f64 as plain arrays, which compilers turn into the vectors that every
//! processor of the target has (NEON on 64-bit Arm, SSE2 on x86-64).

use std::array;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use super::coefficients::{EXP2_CENTRED, EXP2_MINUS_ONE, WHOLE_NUMBERS};
use super::{Doubles, LaneTask, Lanes, Singles, Vectors, polynomial};

/// Whether the target is known to have a fused multiply-add. Without it `f32::mul_add` is a slow library call.
const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Adding and subtracting 1.5 2^23 rounds to the nearest whole number, and leaves it in the low bits in between.
const ROUND: f32 = 12_582_912.0;

/// Runs `kernel`, compiled for any processor of the architecture.
///
/// Not inlined: without optimisation its variables fill a megabyte of stack, and so do those of another instruction set
/// that its caller chooses. A thread has two.
#[inline(never)]
pub(in crate::cpu) fn run<K: LaneTask>(kernel: K) -> K::Output {
    kernel.run::<Plain>()
}

/// Two registers each, where registers are as wide as with NEON and SSE2.
pub(in crate::cpu) struct Plain;

impl Vectors for Plain {
    type Singles = F32x8;
    type Doubles = F64x4;
}

/// What both vector types do alike, lane by lane.
macro_rules! lanes {
    ($vector:ident: $count:literal $number:ident) => {
        impl $vector {
            #[inline(always)]
            fn map(self, f: impl Fn($number) -> $number) -> Self {
                Self(self.0.map(f))
            }

            #[inline(always)]
            fn zip(self, other: Self, f: impl Fn($number, $number) -> $number) -> Self {
                Self(array::from_fn(|lane| f(self.0[lane], other.0[lane])))
            }
        }

        operators! { $vector:
            Add add |a, b| a.zip(b, |a, b| a + b);
            Sub sub |a, b| a.zip(b, |a, b| a - b);
            Mul mul |a, b| a.zip(b, |a, b| a * b);
        }

        impl Lanes for $vector {
            type Scalar = $number;

            const COUNT: usize = $count;

            #[inline(always)]
            fn splat(value: $number) -> Self {
                Self([value; $count])
            }

            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                if FUSED {
                    Self(array::from_fn(|lane| self.0[lane].mul_add(a.0[lane], b.0[lane])))
                } else {
                    self * a + b
                }
            }

            #[inline(always)]
            fn neg_mul_add(self, a: Self, b: Self) -> Self {
                if FUSED {
                    Self(array::from_fn(|lane| (-self.0[lane]).mul_add(a.0[lane], b.0[lane])))
                } else {
                    b - self * a
                }
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
                self.map($number::abs)
            }

            #[inline(always)]
            fn where_negative(self, negative: Self, otherwise: Self) -> Self {
                Self(array::from_fn(|lane| if self.0[lane] < 0.0 { negative.0[lane] } else { otherwise.0[lane] }))
            }

            #[inline(always)]
            fn where_positive(self, positive: Self, otherwise: Self) -> Self {
                Self(array::from_fn(|lane| if self.0[lane] > 0.0 { positive.0[lane] } else { otherwise.0[lane] }))
            }
        }
    };
}

/// 8 f32 in memory order.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(32))]
pub(in crate::cpu) struct F32x8([f32; 8]);

lanes! { F32x8: 8 f32 }

impl F32x8 {
    /// The fraction of self beside the nearest whole number, and 2 to the power of that number: 0 for -127, infinity
    /// for 128.
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let bounded = self.at_least(Self::splat(-127.0));
        let fraction = bounded.map(|t| t - ((t + ROUND) - ROUND));
        let scale = bounded.map(|t| f32::from_bits(((t + ROUND).to_bits() << 23).wrapping_add(1.0_f32.to_bits())));
        (fraction, scale)
    }
}

impl Singles for F32x8 {
    #[inline(always)]
    fn reciprocal(self) -> Self {
        self.map(|x| 1.0 / x)
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        // NaN reaches the result through the fraction: the scale is some number or NaN then, and a product with NaN is
        // NaN.
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
    fn one_over_one_plus_exp2(self) -> Self {
        // 2^128 is infinity, and its reciprocal 0.
        let (fraction, scale) = self.at_most(Self::splat(128.0)).split();
        polynomial(fraction, EXP2_CENTRED).mul_add(scale, Self::splat(1.0)).reciprocal()
    }

    #[inline(always)]
    fn all_finite_and_at_least(self, low: Self) -> bool {
        // No early exit: all lanes in one go.
        (0..Self::COUNT).fold(true, |all, lane| all & (self.0[lane] >= low.0[lane]) & (self.0[lane] <= f32::MAX))
    }
}

/// 4 f64 in memory order.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(32))]
pub(in crate::cpu) struct F64x4([f64; 4]);

lanes! { F64x4: 4 f64 }

impl Div for F64x4 {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
}

impl Doubles for F64x4 {
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f64::sqrt)
    }

    #[inline(always)]
    fn round(self) -> Self {
        self.map(|x| (x + WHOLE_NUMBERS) - WHOLE_NUMBERS)
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        self.map(|whole| f64::from_bits((whole + WHOLE_NUMBERS).to_bits().wrapping_add(1023) << 52))
    }
}
