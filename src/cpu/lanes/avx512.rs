//! AVX-512: 16 lanes of f32, with an exponential of nine instructions and a reciprocal of three, and 8 of f64.

use std::arch::x86_64::{
    __m512, __m512d, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_NGE_UQ, _mm512_abs_pd, _mm512_abs_ps,
    _mm512_add_pd, _mm512_add_ps, _mm512_cmp_pd_mask, _mm512_cmp_ps_mask, _mm512_div_pd, _mm512_fmadd_pd,
    _mm512_fmadd_ps, _mm512_fnmadd_pd, _mm512_fnmadd_ps, _mm512_mask_blend_pd, _mm512_mask_blend_ps,
    _mm512_maskz_fmadd_ps, _mm512_max_pd, _mm512_max_ps, _mm512_min_pd, _mm512_min_ps, _mm512_mul_pd, _mm512_mul_ps,
    _mm512_rcp14_ps, _mm512_reduce_ps, _mm512_roundscale_pd, _mm512_roundscale_ps, _mm512_scalef_pd, _mm512_scalef_ps,
    _mm512_set1_pd, _mm512_set1_ps, _mm512_setzero_pd, _mm512_setzero_ps, _mm512_sqrt_pd, _mm512_sub_pd, _mm512_sub_ps,
};
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use super::coefficients::{EXP2_MINUS_ONE, EXP2_UNIT};
use super::{Doubles, LaneTask, Lanes, Singles, Vectors, polynomial};

/// Compiles `kernel` for AVX-512 and runs it.
///
/// # Safety
/// The processor must have AVX-512 F and DQ.
#[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
pub(in crate::cpu) unsafe fn run<K: LaneTask>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

/// One register each.
pub(super) struct Avx512;

impl Vectors for Avx512 {
    type Singles = F32x16;
    type Doubles = F64x8;
}

/// 16 f32 in one register.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(in crate::cpu) struct F32x16(__m512);

/// 8 f64 in one register.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(in crate::cpu) struct F64x8(__m512d);

/// Calls intrinsics. These vectors are used only inside [`run`], whose caller has checked for AVX-512 F and DQ.
macro_rules! vector {
    ($call:expr) => {
        // SAFETY: this code only runs inside `run`, so the processor has the instruction (see the macro's
        // documentation).
        Self(unsafe { $call })
    };
}

operators! { F32x16:
    Add add |a, b| vector!(_mm512_add_ps(a.0, b.0));
    Sub sub |a, b| vector!(_mm512_sub_ps(a.0, b.0));
    Mul mul |a, b| vector!(_mm512_mul_ps(a.0, b.0));
}

impl Lanes for F32x16 {
    type Scalar = f32;

    const COUNT: usize = 16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        vector!(_mm512_set1_ps(value))
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm512_fmadd_ps(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm512_fnmadd_ps(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        // The instruction returns its second operand where either is NaN.
        vector!(_mm512_min_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        vector!(_mm512_max_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        vector!(_mm512_abs_ps(self.0))
    }

    #[inline(always)]
    fn where_negative(self, negative: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, _mm512_setzero_ps());
            _mm512_mask_blend_ps(mask, otherwise.0, negative.0)
        })
    }

    #[inline(always)]
    fn where_positive(self, positive: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
            _mm512_mask_blend_ps(mask, otherwise.0, positive.0)
        })
    }
}

impl Singles for F32x16 {
    #[inline(always)]
    fn reciprocal(self) -> Self {
        // 14 bits from the table, doubled by one Newton step.
        let estimate = vector!(_mm512_rcp14_ps(self.0));
        let error = self.neg_mul_add(estimate, Self::splat(1.0));
        estimate.mul_add(error, estimate)
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        // self - floor(self) in one instruction; scaling by 2^floor(self) in another, which also underflows to 0 by
        // itself.
        let fraction = vector!(_mm512_reduce_ps::<0x09>(self.0));
        let scaled = polynomial(fraction, EXP2_UNIT);
        vector!(_mm512_scalef_ps(scaled.0, self.0))
    }

    #[inline(always)]
    fn exp2_and_minus_one(self) -> (Self, Self) {
        let whole = vector!(_mm512_roundscale_ps::<0x08>(self.at_least(Self::splat(-125.0)).0));
        let fraction = self.at_least(Self::splat(-125.0)) - whole;
        let minus_one = polynomial(fraction, EXP2_MINUS_ONE) * fraction;
        let scale = vector!(_mm512_scalef_ps(_mm512_set1_ps(1.0), whole.0));
        (scale.mul_add(minus_one, scale), scale.mul_add(minus_one, scale - Self::splat(1.0)))
    }

    #[inline(always)]
    fn one_over_one_plus_exp2(self) -> Self {
        // Beyond 2^126 the estimate would be 0 and its Newton step NaN: the last instruction leaves 0 there.
        let sum = self.exp2() + Self::splat(1.0);
        let estimate = vector!(_mm512_rcp14_ps(sum.0));
        let error = sum.neg_mul_add(estimate, Self::splat(1.0));
        vector!({
            let falls_on = _mm512_cmp_ps_mask::<_CMP_NGE_UQ>(self.0, _mm512_set1_ps(126.0));
            _mm512_maskz_fmadd_ps(falls_on, estimate.0, error.0, estimate.0)
        })
    }

    #[inline(always)]
    fn all_finite_and_at_least(self, low: Self) -> bool {
        // SAFETY: as for `vector!`.
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, low.0);
            let finite = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, _mm512_set1_ps(f32::MAX));
            above & finite == u16::MAX
        }
    }
}

operators! { F64x8:
    Add add |a, b| vector!(_mm512_add_pd(a.0, b.0));
    Sub sub |a, b| vector!(_mm512_sub_pd(a.0, b.0));
    Mul mul |a, b| vector!(_mm512_mul_pd(a.0, b.0));
    Div div |a, b| vector!(_mm512_div_pd(a.0, b.0));
}

impl Lanes for F64x8 {
    type Scalar = f64;

    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        vector!(_mm512_set1_pd(value))
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm512_fmadd_pd(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Self, b: Self) -> Self {
        vector!(_mm512_fnmadd_pd(self.0, a.0, b.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        // The instruction returns its second operand where either is NaN.
        vector!(_mm512_min_pd(bound.0, self.0))
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        vector!(_mm512_max_pd(bound.0, self.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        vector!(_mm512_abs_pd(self.0))
    }

    #[inline(always)]
    fn where_negative(self, negative: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, _mm512_setzero_pd());
            _mm512_mask_blend_pd(mask, otherwise.0, negative.0)
        })
    }

    #[inline(always)]
    fn where_positive(self, positive: Self, otherwise: Self) -> Self {
        vector!({
            let mask = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_pd());
            _mm512_mask_blend_pd(mask, otherwise.0, positive.0)
        })
    }
}

impl Doubles for F64x8 {
    #[inline(always)]
    fn sqrt(self) -> Self {
        vector!(_mm512_sqrt_pd(self.0))
    }

    #[inline(always)]
    fn round(self) -> Self {
        vector!(_mm512_roundscale_pd::<0x08>(self.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // -1023 gives a subnormal number, which is made 0 as with other instruction sets.
        let power = vector!(_mm512_scalef_pd(_mm512_set1_pd(1.0), self.0));
        (self + Self::splat(1022.5)).where_negative(Self::splat(0.0), power)
    }
}
