//! How a method's arguments are written down: one macro that makes, from the
//! specification's order of fields, the struct, its reader and its writer.
//!
//! ```text
//! Name<'a> (ticket) {          // (ticket): begins with the reserved short of old
//!     /// doc
//!     field: type = wire type, // before the flags
//! } flags {
//!     /// doc
//!     flag,                    // bools packed into one octet, lowest bit first
//! } then {
//!     /// doc
//!     field: type = wire type, // after the flags
//! };
//! ```
//! No method has more than one run of flags, nor more than eight of them. Bits
//! without a flag are ignored when read, as RabbitMQ does, and written as 0; so
//! is the ticket.

macro_rules! arguments {
    ($(
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? $(($ticket:ident))? {
            $($(#[$lead_doc:meta])* $lead:ident: $lead_type:ty = $lead_wire:ident,)*
        } $(flags {
            $($(#[$flag_doc:meta])* $flag:ident,)+
        })? $(then {
            $($(#[$tail_doc:meta])* $tail:ident: $tail_type:ty = $tail_wire:ident,)+
        })?;
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$lead_doc])* pub $lead: $lead_type,)*
            $($($(#[$flag_doc])* pub $flag: bool,)+)?
            $($($(#[$tail_doc])* pub $tail: $tail_type,)+)?
        }

        impl $(<$life>)? $name $(<$life>)? {
            #[inline]
            pub(super) fn read(
                reader: &mut $crate::wire::Reader<$($life)?>,
            ) -> Result<Self, $crate::error::Malformed> {
                $(let _: u16 = arguments!(@ticket reader $ticket);)?
                $(let $lead = reader.$lead_wire()?;)*
                $(
                    let mut _bits = reader.octet()?;
                    $(
                        let $flag = _bits & 1 != 0;
                        _bits >>= 1;
                    )+
                )?
                $($(let $tail = reader.$tail_wire()?;)+)?
                Ok($name { $($lead,)* $($($flag,)+)? $($($tail,)+)? })
            }

            #[inline]
            pub(super) fn write(&self, out: &mut Vec<u8>) {
                $(arguments!(@no_ticket out $ticket);)?
                $($crate::method::fields::$lead_wire(out, self.$lead);)*
                $(
                    let mut bits = 0;
                    let mut _place = 1;
                    $(
                        bits |= if self.$flag { _place } else { 0 };
                        _place <<= 1;
                    )+
                    out.push(bits);
                )?
                $($($crate::method::fields::$tail_wire(out, self.$tail);)+)?
            }
        }
    )+};
    (@ticket $reader:ident ticket) => { $reader.short()? };
    (@no_ticket $out:ident ticket) => { $crate::method::fields::short($out, 0) };
}

pub(super) use arguments;
