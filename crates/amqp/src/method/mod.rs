//! Methods: what the two sides ask of each other and answer.
//!
//! A METHOD frame's payload is the class's number, the method's number and its
//! arguments. Each class has its file with its methods' arguments; `method_id` has
//! the one table that joins numbers, names and arguments.
//!
//! Short strings are text (`&str`, UTF-8 is checked), except where RabbitMQ
//! passes any bytes through and speed matters: routing keys everywhere, and the
//! exchange of publish, return, deliver and get-ok. When encoded, a short string
//! over 255 bytes is cut, text between characters.
#![deny(clippy::indexing_slicing)]

mod arguments;
mod fields;

pub mod access;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;

use crate::error::{DecodeError, Malformed};
use crate::frame;
pub use crate::method_id::MethodId;
use crate::method_id::every_method;
use crate::wire::Reader;

/// Makes the methods out of the table.
macro_rules! methods {
    (
        $($variant:ident($class:literal, $method:literal, $name:literal, $arguments:ty),)+
        ;
        $($unit:ident($unit_class:literal, $unit_method:literal, $unit_name:literal $(, $reserved:ident)?),)+
    ) => {
        /// Any method, with its arguments. Those without arguments that mean
        /// anything are bare names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method<'a> {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant($arguments),
            )+
            $(
                #[doc = concat!("`", $unit_name, "`")]
                $unit,
            )+
        }

        impl<'a> Method<'a> {
            /// Reads the arguments of the method with that number; `None` if there is none.
            #[inline]
            fn read(id: MethodId, reader: &mut Reader<'a>) -> Option<Result<Self, Malformed>> {
                Some(match (id.class, id.method) {
                    $(($class, $method) => <$arguments>::read(reader).map(Method::$variant),)+
                    $(($unit_class, $unit_method) => methods!(@skip reader $($reserved)?).map(|()| Method::$unit),)+
                    _ => return None,
                })
            }

            /// The method's number.
            #[inline]
            pub fn id(&self) -> MethodId {
                match self {
                    $(Method::$variant(_) => MethodId { class: $class, method: $method },)+
                    $(Method::$unit => MethodId { class: $unit_class, method: $unit_method },)+
                }
            }

            /// Appends class, method and arguments: a METHOD frame's payload.
            #[inline]
            pub fn encode(&self, out: &mut Vec<u8>) {
                let MethodId { class, method } = self.id();
                fields::long(out, u32::from(class) << 16 | u32::from(method));
                match self {
                    $(Method::$variant(arguments) => arguments.write(out),)+
                    $(Method::$unit => methods!(@fill out $($reserved)?),)+
                }
            }
        }
    };
    (@skip $reader:ident) => { Ok(()) };
    (@skip $reader:ident $kind:ident) => { $reader.$kind().map(|_| ()) };
    (@fill $out:ident) => { {} };
    (@fill $out:ident $kind:ident) => { fields::$kind($out, b"") };
}

every_method!(methods);

impl<'a> Method<'a> {
    /// Reads a METHOD frame's payload, to its last byte.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`] for a number no method has,
    /// [`DecodeError::Malformed`] for arguments that are short, left over, not
    /// text where text must be, or a table that [`crate::RawTable::parse`] refuses.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Method<'a>, DecodeError> {
        let mut reader = Reader::new(payload);
        let id = MethodId { class: reader.short()?, method: reader.short()? };
        // Publish and ack are most of what a broker reads: they need not wait
        // for the long table.
        let read = match (id.class, id.method) {
            (60, 40) => basic::Publish::read(&mut reader).map(Method::BasicPublish),
            (60, 80) => basic::Ack::read(&mut reader).map(Method::BasicAck),
            _ => Self::read(id, &mut reader).ok_or(DecodeError::Unknown(id))?,
        };
        let method = read.map_err(|error| error.of(id))?;
        reader.finish().map_err(|error| error.of(id))?;
        Ok(method)
    }

    /// Appends the whole METHOD frame.
    #[inline]
    pub fn write_frame(&self, channel: u16, out: &mut Vec<u8>) {
        let mark = frame::begin(out, frame::METHOD, channel);
        self.encode(out);
        frame::finish(out, mark);
    }

    /// Whether a HEADER frame and BODY frames follow.
    #[inline]
    pub fn has_content(&self) -> bool {
        matches!(
            self,
            Method::BasicPublish(_)
                | Method::BasicReturn(_)
                | Method::BasicDeliver(_)
                | Method::BasicGetOk(_)
        )
    }
}
