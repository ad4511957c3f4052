//! Writes protobuf messages; nested ones in place, behind a length of fixed size.

/// Bytes of the length that is filled in when a nested message ends.
const LENGTH: usize = 4;

#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    pub fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, number: u32, wire: u64) {
        self.raw_varint(u64::from(number) << 3 | wire);
    }

    pub fn varint(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        self.raw_varint(value);
    }

    pub fn fixed64(&mut self, number: u32, value: u64) {
        self.tag(number, 1);
        self.raw_fixed64(value);
    }

    pub fn raw_fixed64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        self.tag(number, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Writes what `content` writes as a nested message, or packed list, in field `number`.
    pub fn message<T>(&mut self, number: u32, content: impl FnOnce(&mut Self) -> T) -> T {
        self.tag(number, 2);
        let start = self.0.len();
        self.0.extend([0; LENGTH]);
        let result = content(self);
        let length = self.0.len() - start - LENGTH;
        for (index, byte) in self.0[start..start + LENGTH].iter_mut().enumerate() {
            let more = if index + 1 < LENGTH { 0x80 } else { 0 };
            *byte = u8::try_from(length >> (7 * index) & 0x7f).unwrap_or(0) | more;
        }
        result
    }

    /// A `KeyValue` with a string value.
    pub fn attribute(&mut self, number: u32, key: &str, value: &str) {
        self.message(number, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.bytes(1, value.as_bytes()));
        });
    }
}

/// The most that the fixed size of a nested length can say.
pub const MOST_BYTES: usize = (1 << (7 * LENGTH)) - 1;
