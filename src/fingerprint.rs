//! Short hashes by which a run recognises its data, its code and its own rows.

/// A hash of bytes, in order: the first 64 bits of their BLAKE3 hash.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// Hashes `bytes` after what has been hashed already.
    pub(crate) fn add(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Hashes `values`, little-endian, after what has been hashed already.
    pub(crate) fn add_floats<'a>(mut self, values: impl IntoIterator<Item = &'a f64>) -> Self {
        for value in values {
            self.0.update(&value.to_le_bytes());
        }
        self
    }

    /// The hash so far, 16 hexadecimal digits.
    pub(crate) fn digits(&self) -> String {
        self.0.finalize().to_hex()[..16].to_owned()
    }
}
