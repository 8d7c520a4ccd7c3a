//! Arrays from `.npy` files that may be damaged or foreign: nothing is allocated before the file is known to hold it.
//!
//! The format is that of NumPy (versions 1 to 3): a magic string, a header with type, order and shape as a Python
//! dictionary, the data. The header's shape is checked against the file's length, so memory is bounded by what the file
//! really holds.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::room;

/// The longest header that is read: NumPy's own have 128 bytes, and it refuses headers beyond 10,000.
const LONGEST_HEADER: usize = 10_000;

/// The most dimensions of an array, NumPy's own limit.
const MOST_DIMENSIONS: usize = 64;

/// Bytes that are converted at a time, a multiple of every type's size.
const BLOCK: usize = 1 << 16;

/// Why no array can be read from a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NpyError {
    /// It cannot be opened or read.
    #[error("{0}")]
    Io(io::Error),
    /// It is a pipe, a directory or a device.
    #[error("not a regular file but {0}: save the array to a file and give its path")]
    NotAFile(&'static str),
    /// The header is not that of an array.
    #[error("not a .npy file ({0}): save it with numpy.save")]
    Header(&'static str),
    /// The elements have a type that is not read here.
    #[error("the array's type {0} is not float32, float64, integer or bool")]
    Type(ForeignType),
    /// The file ends before its data.
    #[error("the file ends before all its data ({found} of {expected} bytes): it was cut off; copy or save it again")]
    Short {
        /// Bytes of data that there are.
        found: u64,
        /// Bytes that the header announces.
        expected: String,
    },
    /// The file goes on after its data.
    #[error("{0} bytes follow the data that the header announces: not a plain .npy file")]
    Long(u64),
    /// A byte of a bool array that is neither true nor false.
    #[error("a bool is stored as {0}: it must be 0 or 1")]
    Bool(u8),
    /// The array does not fit memory.
    #[error(transparent)]
    Room(#[from] room::NoRoom),
}

/// A type of elements that is not read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignType {
    /// The type as a user reads it.
    shown: String,
    /// What its elements hold.
    pub(crate) kind: Foreign,
}

/// What the elements of a type that is not read hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Text of a fixed length.
    Text,
    /// Python objects, text among them.
    Objects,
    /// Several fields each, such as the records of a table.
    Fields,
    /// Floating-point numbers of another size.
    Number,
    /// Complex numbers.
    Complex,
    /// Dates or lengths of time.
    Time,
    /// Anything else.
    Other,
}

impl ForeignType {
    /// The type that NumPy writes as `name`. It comes from a foreign file: only as many characters are shown as a type
    /// takes, and none that a terminal acts on.
    pub(crate) fn named(name: &str) -> Self {
        let shown = name.chars().take(16).collect::<String>().escape_debug().to_string();
        let (kind, what) = match name.trim_start_matches(['<', '>', '|', '=']).as_bytes().first() {
            Some(b'U' | b'S' | b'a') => (Foreign::Text, "text"),
            Some(b'O') => (Foreign::Objects, "objects"),
            Some(b'f' | b'e' | b'g') => (Foreign::Number, "a float of another size"),
            Some(b'c') => (Foreign::Complex, "complex numbers"),
            Some(b'M' | b'm') => (Foreign::Time, "times"),
            _ => (Foreign::Other, ""),
        };
        let shown = if what.is_empty() { shown } else { format!("{shown} ({what})") };
        Self { shown, kind }
    }
}

impl fmt::Display for ForeignType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A shape as NumPy prints it: `(5,)`, `(398, 2)`.
pub(crate) fn shown_shape(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    if let [axis] = axes.as_slice() { format!("({axis},)") } else { format!("({})", axes.join(", ")) }
}

/// The type of an array's elements, and the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ElementType {
    kind: NumberKind,
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberKind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

impl ElementType {
    /// The type that NumPy writes as `text`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (order, name) = match text.as_bytes().first()? {
            b'<' | b'>' | b'|' => text.split_at(1),
            _ => ("|", text),
        };
        let (kind, size) = match name {
            "b1" => (NumberKind::Bool, 1),
            "i1" | "b" => (NumberKind::Signed, 1),
            "u1" | "B" => (NumberKind::Unsigned, 1),
            "i2" => (NumberKind::Signed, 2),
            "u2" => (NumberKind::Unsigned, 2),
            "i4" => (NumberKind::Signed, 4),
            "u4" => (NumberKind::Unsigned, 4),
            "i8" => (NumberKind::Signed, 8),
            "u8" => (NumberKind::Unsigned, 8),
            "f4" => (NumberKind::Float, 4),
            "f8" => (NumberKind::Float, 8),
            _ => return None,
        };
        // A single byte has no order, every other number has one.
        ((size == 1) == (order == "|")).then_some(Self { kind, size, big_endian: order == ">" })
    }
}

/// An element type that an array can be read as.
pub(crate) trait Element: Copy {
    /// The element in `bytes`, which have the size of `from`.
    fn read(bytes: &[u8], from: ElementType) -> Result<Self, NpyError>;
    /// Whether every value of type `from` is also a value of this type.
    fn takes(from: ElementType) -> bool;
}

/// The number in at most eight bytes, as an integer with the same bits.
fn bits(bytes: &[u8], big_endian: bool) -> u64 {
    let mut all = [0; 8];
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    if big_endian { u64::from_be_bytes(all) >> (64 - 8 * bytes.len()) } else { u64::from_le_bytes(all) }
}

impl Element for f64 {
    fn read(bytes: &[u8], from: ElementType) -> Result<Self, NpyError> {
        let bits = bits(bytes, from.big_endian);
        Ok(match (from.kind, from.size) {
            (NumberKind::Bool, _) if bits > 1 => return Err(NpyError::Bool(bits as u8)),
            (NumberKind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (NumberKind::Float, _) => f64::from_bits(bits),
            (NumberKind::Signed, size) => {
                let unused = 64 - 8 * size;
                ((bits << unused).cast_signed() >> unused) as f64
            }
            (NumberKind::Bool | NumberKind::Unsigned, _) => bits as f64,
        })
    }

    fn takes(_: ElementType) -> bool {
        true
    }
}

macro_rules! element_of_its_own_type {
    ($($ty:ty, $kind:ident, $value:expr);* $(;)?) => {
        $(impl Element for $ty {
            fn read(bytes: &[u8], from: ElementType) -> Result<Self, NpyError> {
                let value: fn(u64) -> $ty = $value;
                Ok(value(bits(bytes, from.big_endian)))
            }

            fn takes(from: ElementType) -> bool {
                (from.kind, from.size) == (NumberKind::$kind, size_of::<$ty>())
            }
        })*
    };
}

element_of_its_own_type! {
    f32, Float, |bits| f32::from_bits(bits as u32);
    u8, Unsigned, |bits| bits as u8;
    u32, Unsigned, |bits| bits as u32;
    u64, Unsigned, |bits| bits;
}

/// An array's file; its header has been read and agrees with the file's length.
#[derive(Debug)]
pub(crate) struct NpyFile {
    file: File,
    header: Header,
}

/// What a file says about its array.
#[derive(Debug, Clone, PartialEq)]
struct Header {
    element: ElementType,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the data begin.
    offset: u64,
}

impl NpyFile {
    /// Opens `path` and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, NpyError> {
        check_regular(path)?;
        let file = File::open(path).map_err(NpyError::Io)?;
        let length = file.metadata().map_err(NpyError::Io)?.len();
        let header = Header::read(&mut BufReader::new(&file), length)?;
        let expected = header
            .shape
            .iter()
            .try_fold(header.element.size as u64, |product, &axis| product.checked_mul(axis as u64))
            .ok_or_else(|| NpyError::Short {
                found: length - header.offset,
                expected: format!("{} elements of {}", shown_shape(&header.shape), header.element.size),
            })?;
        let found = length - header.offset;
        if found < expected {
            return Err(NpyError::Short { found, expected: expected.to_string() });
        }
        if found > expected {
            return Err(NpyError::Long(found - expected));
        }
        Ok(Self { file, header })
    }

    /// The shape.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The array, in the file's own order; `None` if its type does not fit `T`.
    pub(crate) fn read<T: Element>(mut self) -> Result<Option<ArrayD<T>>, NpyError> {
        let Header { element, fortran, shape, offset } = self.header;
        if !T::takes(element) {
            return Ok(None);
        }
        // An axis of length 0 leaves no element, whatever the other axes are; an array of such a shape may still be
        // impossible.
        let count: usize = shape.iter().product();
        room::check_memory("the array", (count as u64).saturating_mul(size_of::<T>() as u64))?;
        let mut values: Vec<T> = Vec::new();
        values.try_reserve_exact(count).map_err(|error| NpyError::Io(io::Error::other(error)))?;
        self.file.seek(SeekFrom::Start(offset)).map_err(NpyError::Io)?;
        let mut block = vec![0; BLOCK.min(count * element.size)];
        while values.len() < count {
            let bytes = block.len().min((count - values.len()) * element.size);
            self.file.read_exact(&mut block[..bytes]).map_err(NpyError::Io)?;
            for bytes in block[..bytes].chunks_exact(element.size) {
                values.push(T::read(bytes, element)?);
            }
        }
        let dimension = IxDyn(&shape).set_f(fortran);
        // Only one kind of shape passes the checks above and is refused by ndarray: a huge one with an axis of length
        // 0.
        ArrayD::from_shape_vec(dimension, values).map(Some).map_err(|_| NpyError::Header("its shape is too large"))
    }
}

/// Fails unless `path` is a file: reading a pipe could wait forever, and works only once.
pub(crate) fn check_regular(path: &Path) -> Result<(), NpyError> {
    let kind = path.metadata().map_err(NpyError::Io)?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(NpyError::NotAFile(if kind.is_dir() { "a directory" } else { "a pipe or a device" }))
}

impl Header {
    /// The header at the start of `reader`, a file of `length` bytes.
    fn read(reader: &mut impl Read, length: u64) -> Result<Self, NpyError> {
        let mut preamble = [0; 8];
        let mut read = |bytes: &mut [u8]| {
            reader.read_exact(bytes).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => NpyError::Header("too short for a header"),
                _ => NpyError::Io(error),
            })
        };
        read(&mut preamble)?;
        if !preamble.starts_with(b"\x93NUMPY") {
            return Err(NpyError::Header("it does not begin as one"));
        }
        let (size, before) = match preamble[6..] {
            [1, 0] => {
                let mut size = [0; 2];
                read(&mut size)?;
                (usize::from(u16::from_le_bytes(size)), 10)
            }
            [2 | 3, 0] => {
                let mut size = [0; 4];
                read(&mut size)?;
                (usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX), 12)
            }
            _ => return Err(NpyError::Header("its version is not 1, 2 or 3")),
        };
        let offset = before + size as u64;
        if size > LONGEST_HEADER {
            return Err(NpyError::Header("its header is longer than any that NumPy writes"));
        }
        if offset > length {
            return Err(NpyError::Header("too short for a header"));
        }
        let mut text = vec![0; size];
        read(&mut text)?;
        let text = str::from_utf8(&text).map_err(|_| NpyError::Header("its header is not text"))?;
        let (element, fortran, shape) = Dictionary(text).parse()?;
        Ok(Self { element, fortran, shape, offset })
    }
}

/// The rest of a header's text: one Python dictionary of three known keys, then a newline.
struct Dictionary<'a>(&'a str);

impl<'a> Dictionary<'a> {
    fn parse(mut self) -> Result<(ElementType, bool, Vec<usize>), NpyError> {
        const BAD: NpyError = NpyError::Header("its header is not a dictionary of descr, fortran_order and shape");
        let (mut element, mut fortran, mut shape) = (None, None, None);
        if !self.0.ends_with('\n') {
            return Err(NpyError::Header("its header has no end"));
        }
        self.take("{").ok_or(BAD)?;
        while self.take("}").is_none() {
            let key = self.string().ok_or(BAD)?;
            self.take(":").ok_or(BAD)?;
            let twice = match key {
                "descr" => element.replace(self.element()?).is_some(),
                "fortran_order" => fortran.replace(self.boolean().ok_or(BAD)?).is_some(),
                "shape" => shape.replace(self.shape().ok_or(BAD)?).is_some(),
                _ => true,
            };
            if twice {
                return Err(BAD);
            }
            if self.take(",").is_none() {
                self.take("}").ok_or(BAD)?;
                break;
            }
        }
        match (self.0.trim().is_empty(), element, fortran, shape) {
            (true, Some(element), Some(fortran), Some(shape)) => Ok((element, fortran, shape)),
            _ => Err(BAD),
        }
    }

    /// Takes `token` and the blanks before it, if it comes next.
    fn take(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|quote| "'\"".contains(*quote))?;
        let (string, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    fn element(&mut self) -> Result<ElementType, NpyError> {
        // Anything but a string is a list: a type with fields.
        let fields = || ForeignType { shown: "with fields".into(), kind: Foreign::Fields };
        let name = self.string().ok_or_else(|| NpyError::Type(fields()))?;
        ElementType::parse(name).ok_or_else(|| NpyError::Type(ForeignType::named(name)))
    }

    fn boolean(&mut self) -> Option<bool> {
        self.take("True").map(|()| true).or_else(|| self.take("False").map(|()| false))
    }

    fn shape(&mut self) -> Option<Vec<usize>> {
        let mut shape = Vec::new();
        self.take("(")?;
        while self.take(")").is_none() {
            self.0 = self.0.trim_start();
            let end = self.0.find(|character: char| !character.is_ascii_digit())?;
            let (digits, rest) = self.0.split_at(end);
            // Python has no numbers with leading zeros.
            if digits.len() > 1 && digits.starts_with('0') || shape.len() == MOST_DIMENSIONS {
                return None;
            }
            // A size beyond the address space is beyond every file.
            shape.push(if digits.is_empty() { return None } else { digits.parse().unwrap_or(usize::MAX) });
            self.0 = rest;
            if self.take(",").is_none() {
                // One number in parentheses is a number, not a tuple.
                self.take(")").filter(|()| shape.len() > 1)?;
                break;
            }
        }
        Some(shape)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ndarray::{Array2, ArrayD, ShapeBuilder, array};
    use ndarray_npy::{WriteNpyExt, read_npy, write_npy};

    use super::{NpyError, NpyFile};

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn open(path: &Path, bytes: &[u8]) -> Result<NpyFile, NpyError> {
        std::fs::write(path, bytes).unwrap();
        NpyFile::open(path)
    }

    #[test]
    fn arrays_of_every_type_and_order_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let read = |path: &Path| NpyFile::open(path).unwrap().read::<f64>().unwrap().unwrap();
        let expected: ArrayD<f64> = array![[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]].into_dyn();
        macro_rules! check {
            ($($convert:expr),*) => { $(
                write_npy(&path, &expected.mapv($convert)).unwrap();
                assert_eq!(read(&path), expected);
                let mut fortran = ArrayD::from_elem(vec![2, 3].f(), $convert(0.0));
                fortran.assign(&expected.mapv($convert));
                write_npy(&path, &fortran).unwrap();
                assert_eq!(read(&path), expected);
            )* };
        }
        check!(|v: f64| v, |v: f64| v as f32, |v: f64| v > 0.5);
        check!(|v: f64| v as u8, |v: f64| v as i8, |v: f64| v as u16, |v: f64| v as i16);
        check!(|v: f64| v as u32, |v: f64| v as i32, |v: f64| v as u64, |v: f64| v as i64);
        write_npy(&path, &array![-2_i16, i16::MIN, 7]).unwrap();
        assert_eq!(read(&path), array![-2.0, -32768.0, 7.0].into_dyn());
        // Another machine's byte order.
        std::fs::write(&path, file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}\n", &[255, 254, 1, 0]))
            .unwrap();
        assert_eq!(read(&path), array![-2.0, 256.0].into_dyn());
        // A type of its own is taken as it is, or not at all.
        write_npy(&path, &array![1.5_f32, f32::MIN_POSITIVE]).unwrap();
        let own = NpyFile::open(&path).unwrap().read::<f32>().unwrap();
        assert_eq!(own, Some(array![1.5_f32, f32::MIN_POSITIVE].into_dyn()));
        assert_eq!(NpyFile::open(&path).unwrap().read::<u32>().unwrap(), None);
        // More than one block, and no element at all.
        let long = Array2::from_shape_fn((3, 7001), |(row, column)| (row * 7001 + column) as f64);
        write_npy(&path, &long).unwrap();
        assert_eq!(read(&path), long.into_dyn());
        write_npy(&path, &Array2::<f32>::zeros((0, 3))).unwrap();
        assert_eq!(read(&path).shape(), [0, 3]);
    }

    #[test]
    fn a_header_that_announces_more_than_the_file_holds_is_refused_before_anything_is_allocated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        for shape in
            ["(10000000000, 2)", "(18446744073709551615,)", "(4294967296, 4294967296)", "(99999999999999999999, 0)"]
        {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
            let refused = open(&path, &file(&header, &[0; 8])).unwrap_err();
            assert!(matches!(refused, NpyError::Short { .. } | NpyError::Long(_)), "{shape}: {refused}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said_in_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
        assert!(open(&path, &file(good, &[0; 4])).is_ok());
        let deep = format!("{{'descr': {}\n", "[".repeat(9000));
        for (header, says) in [
            ("", "no end"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "no end"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1), }\n", "not a dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (01,), }\n", "not a dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", "not a dictionary"),
            ("{'descr': '<f4', 'shape': (1,), 'shape': (1,), 'fortran_order': False}\n", "not a dictionary"),
            ("{'descr': '<f4', 'shape': (1,)}\n", "not a dictionary"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", "<c8"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", "with fields"),
            (&deep, "with fields"),
            ("{'descr': '\x1b[2J', 'fortran_order': False, 'shape': (1,), }\n", "\\u{1b}[2J"),
        ] {
            let message = open(&path, &file(header, &[0; 4])).unwrap_err().to_string();
            assert!(message.contains(says) && message.len() < 200, "{header:?}: {message}");
        }
        let mut other = file(good, &[0; 4]);
        other[6] = 9;
        assert!(open(&path, &other).unwrap_err().to_string().contains("version"));
        let refused = |path: &Path| NpyFile::open(path).unwrap_err().to_string();
        assert!(refused(dir.path()).contains("a directory"));
    }

    #[test]
    fn files_are_read_as_the_library_that_writes_them_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let mut bytes = Vec::new();
        array![[1.0_f32, 2.0], [3.0, 4.0]].write_npy(&mut bytes).unwrap();
        // Every bit of the header flipped in turn: where both readers accept the file, they read the same array.
        for at in 0..128 {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let Ok(found) = open(&path, &changed).and_then(NpyFile::read::<f64>) else { continue };
                let expected: ArrayD<f32> =
                    read_npy(&path).unwrap_or_else(|_| found.clone().unwrap().mapv(|v| v as f32));
                assert_eq!(found.unwrap().mapv(|v| v as f32), expected, "byte {at}, bit {bit}");
            }
        }
    }
}
