//! AVX2 with FMA: 8 lanes of f32, 4 of f64.

use std::arch::x86_64::{
    __m256, __m256d, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _mm256_add_epi32, _mm256_add_epi64, _mm256_add_pd,
    _mm256_add_ps, _mm256_and_ps, _mm256_andnot_pd, _mm256_andnot_ps, _mm256_blendv_pd, _mm256_blendv_ps,
    _mm256_castpd_si256, _mm256_castps_si256, _mm256_castsi256_pd, _mm256_castsi256_ps, _mm256_cmp_pd, _mm256_cmp_ps,
    _mm256_cvtps_epi32, _mm256_div_pd, _mm256_div_ps, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_fnmadd_pd,
    _mm256_fnmadd_ps, _mm256_max_pd, _mm256_max_ps, _mm256_min_pd, _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_pd,
    _mm256_mul_ps, _mm256_round_pd, _mm256_round_ps, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_set1_ps, _mm256_setzero_pd, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_slli_epi64, _mm256_sqrt_pd,
    _mm256_sub_pd, _mm256_sub_ps,
};
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use super::coefficients::{EXP2_CENTRED, EXP2_MINUS_ONE, WHOLE_NUMBERS};
use super::{Doubles, LaneTask, Lanes, Singles, Vectors, polynomial};

/// Compiles `kernel` for AVX2 with FMA and runs it.
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(in crate::cpu) unsafe fn run<K: LaneTask>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// One register each.
pub(super) struct Avx2;

impl Vectors for Avx2 {
    type Singles = F32x8;
    type Doubles = F64x4;
}

/// 8 f32 in one register.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(in crate::cpu) struct F32x8(__m256);

/// 4 f64 in one register.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(in crate::cpu) struct F64x4(__m256d);

/// Calls intrinsics. These vectors are used only inside [`run`], whose caller has checked for AVX2 and FMA.
macro_rules! vector {
    ($call:expr) => {
        // SAFETY: this code only runs inside `run`, so the processor has the instruction (see the macro's
        // documentation).
        Self(unsafe { $call })
    };
}

impl F32x8 {
    /// The whole number nearest to self.
    #[inline(always)]
    fn round(self) -> Self {
        vector!(_mm256_round_ps::<0x08>(self.0))
    }

    /// Two factors of 2^self for self <= 128: 2 to the power of the fraction beside the nearest whole number, and 2 to
    /// the power of that number, which is 0 from -127 down.
    #[inline(always)]
    fn exp2_factors(self) -> (Self, Self) {
        let bounded = self.at_least(Self::splat(-127.0));
        let whole = bounded.round();
        (polynomial(bounded - whole, EXP2_CENTRED), whole.power_of_two())
    }

    /// 2^self for a whole number self from -127, which gives 0, to 128, which gives infinity. NaN, which converts to an
    /// integer of low bits 0, gives 1.
    #[inline(always)]
    fn power_of_two(self) -> Self {
        vector!({
            let exponent = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(self.0));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(_mm256_set1_ps(1.0)), exponent))
        })
    }
}

operators! { F32x8:
    Add add |a, b| vector!(_mm256_add_ps(a.0, b.0));
    Sub sub |a, b| vector!(_mm256_sub_ps(a.0, b.0));
    Mul mul |a, b| vector!(_mm256_mul_ps(a.0, b.0));
}

impl Lanes for F32x8 {
    type Scalar = f32;

    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        vector!(_mm256_set1_ps(value))
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm256_fmadd_ps(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm256_fnmadd_ps(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        // The instruction returns its second operand where either is NaN.
        vector!(_mm256_min_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        vector!(_mm256_max_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        vector!(_mm256_andnot_ps(_mm256_castsi256_ps(_mm256_set1_epi32(i32::MIN)), self.0))
    }

    #[inline(always)]
    fn where_negative(self, negative: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, _mm256_setzero_ps());
            _mm256_blendv_ps(otherwise.0, negative.0, mask)
        })
    }

    #[inline(always)]
    fn where_positive(self, positive: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
            _mm256_blendv_ps(otherwise.0, positive.0, mask)
        })
    }
}

impl Singles for F32x8 {
    #[inline(always)]
    fn reciprocal(self) -> Self {
        // A division: the estimate that AVX offers has only 12 bits, and they differ between processors.
        vector!(_mm256_div_ps(_mm256_set1_ps(1.0), self.0))
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        let (polynomial, power) = self.exp2_factors();
        polynomial * power
    }

    #[inline(always)]
    fn exp2_and_minus_one(self) -> (Self, Self) {
        let bounded = self.at_least(Self::splat(-125.0));
        let whole = bounded.round();
        let fraction = bounded - whole;
        let minus_one = polynomial(fraction, EXP2_MINUS_ONE) * fraction;
        let scale = whole.power_of_two();
        (scale.mul_add(minus_one, scale), scale.mul_add(minus_one, scale - Self::splat(1.0)))
    }

    #[inline(always)]
    fn one_over_one_plus_exp2(self) -> Self {
        // 2^128 is infinity, and its reciprocal 0.
        let (polynomial, power) = self.at_most(Self::splat(128.0)).exp2_factors();
        polynomial.mul_add(power, Self::splat(1.0)).reciprocal()
    }

    #[inline(always)]
    fn all_finite_and_at_least(self, low: Self) -> bool {
        // SAFETY: as for `vector!`.
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GE_OQ>(self.0, low.0);
            let finite = _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, _mm256_set1_ps(f32::MAX));
            _mm256_movemask_ps(_mm256_and_ps(above, finite)) == 0xFF
        }
    }
}

operators! { F64x4:
    Add add |a, b| vector!(_mm256_add_pd(a.0, b.0));
    Sub sub |a, b| vector!(_mm256_sub_pd(a.0, b.0));
    Mul mul |a, b| vector!(_mm256_mul_pd(a.0, b.0));
    Div div |a, b| vector!(_mm256_div_pd(a.0, b.0));
}

impl Lanes for F64x4 {
    type Scalar = f64;

    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        vector!(_mm256_set1_pd(value))
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm256_fmadd_pd(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm256_fnmadd_pd(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        // The instruction returns its second operand where either is NaN.
        vector!(_mm256_min_pd(bound.0, self.0))
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        vector!(_mm256_max_pd(bound.0, self.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        vector!(_mm256_andnot_pd(_mm256_set1_pd(-0.0), self.0))
    }

    #[inline(always)]
    fn where_negative(self, negative: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm256_cmp_pd::<_CMP_LT_OQ>(self.0, _mm256_setzero_pd());
            _mm256_blendv_pd(otherwise.0, negative.0, mask)
        })
    }

    #[inline(always)]
    fn where_positive(self, positive: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, _mm256_setzero_pd());
            _mm256_blendv_pd(otherwise.0, positive.0, mask)
        })
    }
}

impl Doubles for F64x4 {
    #[inline(always)]
    fn sqrt(self) -> Self {
        vector!(_mm256_sqrt_pd(self.0))
    }

    #[inline(always)]
    fn round(self) -> Self {
        vector!(_mm256_round_pd::<0x08>(self.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        vector!({
            let whole = _mm256_castpd_si256(_mm256_add_pd(self.0, _mm256_set1_pd(WHOLE_NUMBERS)));
            _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_add_epi64(whole, _mm256_set1_epi64x(1023))))
        })
    }
}
