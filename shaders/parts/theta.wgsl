// Twin: src/model/one_hidden.rs
// Where each weight stands in theta = [w; v].

// W[n, m]: hidden unit n, input m, both from 0; m = 0 is the bias.
fn w(n: u32, m: u32) -> u32 {
    return m * HIDDEN + n;
}

// The output weight of hidden unit n, from 0.
fn v(n: u32) -> u32 {
    return V_BIAS + 1u + n;
}
