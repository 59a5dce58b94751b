//! What a value tells about itself, be it owned or borrowed: its type's letter and
//! name, and what it is worth as an integer.
#![deny(clippy::indexing_slicing)]

/// What both twins tell about themselves.
macro_rules! accessors {
    () => {
        /// The letter that stands before this value on the wire.
        pub fn type_letter(&self) -> u8 {
            match self {
                Self::Bool(_) => b't',
                Self::I8(_) => b'b',
                Self::U8(_) => b'B',
                Self::I16(_) => b's',
                Self::U16(_) => b'u',
                Self::I32(_) => b'I',
                Self::U32(_) => b'i',
                Self::I64(_) => b'l',
                Self::F32(_) => b'f',
                Self::F64(_) => b'd',
                Self::Decimal { .. } => b'D',
                Self::LongStr(_) => b'S',
                Self::Array(_) => b'A',
                Self::Timestamp(_) => b'T',
                Self::Table(_) => b'F',
                Self::Void => b'V',
                Self::Bytes(_) => b'x',
            }
        }

        /// The type's name in RabbitMQ's reply texts ("... of type 'signedint'").
        pub fn type_name(&self) -> &'static str {
            match self {
                Self::Bool(_) => "bool",
                Self::I8(_) => "byte",
                Self::U8(_) => "unsignedbyte",
                Self::I16(_) => "short",
                Self::U16(_) => "unsignedshort",
                Self::I32(_) => "signedint",
                Self::U32(_) => "unsignedint",
                Self::I64(_) => "long",
                Self::F32(_) => "float",
                Self::F64(_) => "double",
                Self::Decimal { .. } => "decimal",
                Self::LongStr(_) => "longstr",
                Self::Array(_) => "array",
                Self::Timestamp(_) => "timestamp",
                Self::Table(_) => "table",
                Self::Void => "void",
                Self::Bytes(_) => "binary",
            }
        }

        /// The number, if this is one of the integer types. A timestamp is not.
        pub fn as_int(&self) -> Option<i64> {
            match *self {
                Self::I8(value) => Some(value.into()),
                Self::U8(value) => Some(value.into()),
                Self::I16(value) => Some(value.into()),
                Self::U16(value) => Some(value.into()),
                Self::I32(value) => Some(value.into()),
                Self::U32(value) => Some(value.into()),
                Self::I64(value) => Some(value),
                _ => None,
            }
        }

        /// The truth value, if this is a bool.
        pub fn as_bool(&self) -> Option<bool> {
            match *self {
                Self::Bool(value) => Some(value),
                _ => None,
            }
        }
    };
}

pub(super) use accessors;
