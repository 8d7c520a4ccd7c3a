// Twin: src/reference/rounding.rs
// How far float32 may be off, on every device that keeps to WGSL's rules of accuracy: a sum, difference or product is
// rounded up or down, so it is off by less than ULP of itself; exp(x) is good to 3 + 2 |x| ulp and a quotient to 2.5;
// what is below 2^-126 may count as 0.

const ULP: f32 = 0x1p-23f;
// What a value of up to ten factors and terms, the largest of them below 100, loses where one of them counts as 0.
const FLUSHED: f32 = 0x1p-116f;

// A sum of products, split so that it is good to one rounding of itself; of float32 factors none of which is as large
// as 2^100.
struct SplitSum {
    // The products of the leading parts: exact, in any order.
    leading: f32,
    // The sum of the rest of each product, and that of the rests' sizes.
    rest: f32,
    rest_size: f32,
    // The sum of the products' sizes.
    size: f32,
}

// Bits of the leading part of each factor: few enough that the sum of count + 1 products of leading parts is exact in
// f32.
fn leading_bits(count: u32) -> u32 {
    return (24u - (32u - countLeadingZeros(count))) / 2u;
}

// The power of two whose multiples, up to `largest`, have so many bits.
fn unit_of_leading_part(largest: f32, bits: u32) -> f32 {
    // By its bits: exp2 need not be exact.
    return bitcast<f32>((bitcast<u32>(max(largest, 0x1p-60f)) & 0x7f800000u) - ((bits - 1u) << 23u));
}

// sum + a b, with the units of the leading parts of a and b.
fn add_product(sum: SplitSum, a: f32, b: f32, a_unit: f32, b_unit: f32) -> SplitSum {
    let leading_a = round(a / a_unit) * a_unit;
    let leading_b = round(b / b_unit) * b_unit;
    let left = leading_a * (b - leading_b);
    let right = (a - leading_a) * b;
    return SplitSum(
        sum.leading + leading_a * leading_b,
        sum.rest + (left + right),
        sum.rest_size + (abs(left) + abs(right)),
        sum.size + abs(a * b),
    );
}

// How far leading + rest of count + 1 products may be off the sum, where the factors are off by `given` already,
// relative.
fn split_error(sum: SplitSum, count: u32, given: f32) -> f32 {
    let terms = f32(count);
    return ULP * (abs(sum.leading + sum.rest) + (terms + 5.0) * sum.rest_size) + given * sum.size + terms * FLUSHED;
}

// By how much a function may change while its argument does by up to `error`. The derivative's logarithm changes at a
// rate of at most `rate`, so that within half a step, rate error < 1/2, it grows by less than 1 + 2 rate error; it is
// never above `most`, and it does not change at all where it is `constant`.
fn change(error: f32, rate: f32, derivative: f32, most: f32, constant: bool) -> f32 {
    let steps = rate * error;
    let nearby = select(most, derivative * (1.0 + 2.0 * steps), steps < 0.5);
    return error * select(nearby, derivative, constant);
}

// Beyond this the exponential of minus the size is as good as 0: below 2^-126 whatever it is multiplied by before it is
// stored.
const SATURATED: f32 = 200.0;

// The errors of f = sigmoid(y) and its first two derivatives (logistic.wgsl) at an exact y, given f and f'. e =
// exp(-|y|) is off by 3 + 2 |y| ulp, so e / (1 + e) is by that times 1 / (1 + e) and 3.5 ulp, and what it is subtracted
// from 1 adds one of the result; e <= 4 f' and e / (1 + e) <= 2 f'.
fn logistic_errors(y: f32, f: f32, df: f32) -> vec3<f32> {
    let exponential = 2.0 * min(abs(y), SATURATED);
    return ULP * vec3(
        df * (10.0 + exponential) + f,
        df * (8.5 + 14.0 * df + exponential),
        df * (12.0 + 12.0 * df + exponential),
    ) + FLUSHED;
}
