//! cephx, as far as a client needs it with a MON: proving to have a key without sending it, and getting
//! the session's key for that.
//!
//! Everything is encrypted by AES-128 in CBC mode with one fixed vector, behind a magic number. Which
//! message follows which says `session`.

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use base64::Engine;
use sha2::{Digest, Sha256};

use super::bytes::{Reader, Writer};

const VECTOR: [u8; BLOCK] = *b"cephsageyudagreg";
const BLOCK: usize = 16;
const MAGIC: u64 = 0xff00_9cad_8826_aa55;
const KEY_IS_AES: u16 = 1;
/// The request for a session's key.
const GET_SESSION_KEY: u16 = 0x0100;

/// A secret key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key([u8; 16]);

impl std::fmt::Debug for Key {
    /// Without the key: this may end in a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Key")
    }
}

impl Key {
    /// From a keyring's `key = ...`.
    pub(super) fn from_base64(text: &str) -> Option<Key> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
        Key::read(&mut Reader(&bytes))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Key> {
        let kind = reader.u16()?;
        // When it was made: seconds and nanoseconds.
        reader.u64()?;
        let count = reader.u16()?;
        let secret = reader.take(count.into())?;
        (kind == KEY_IS_AES).then_some(Key(secret.try_into().ok()?))
    }

    fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        let cipher = Aes128::new(&GenericArray::from(self.0));
        let fill = BLOCK - plain.len() % BLOCK;
        let padded = plain.iter().copied().chain(std::iter::repeat_n(fill as u8, fill)).collect::<Vec<_>>();
        let mut last = VECTOR;
        let mut out = Vec::with_capacity(padded.len());
        for block in padded.chunks(BLOCK) {
            let mut mixed = GenericArray::from(last);
            mixed.iter_mut().zip(block).for_each(|(one, other)| *one ^= other);
            cipher.encrypt_block(&mut mixed);
            last = mixed.into();
            out.extend_from_slice(&mixed);
        }
        out
    }

    fn decrypt(&self, secret: &[u8]) -> Option<Vec<u8>> {
        if secret.is_empty() || !secret.len().is_multiple_of(BLOCK) {
            return None;
        }
        let cipher = Aes128::new(&GenericArray::from(self.0));
        let mut last: &[u8] = &VECTOR;
        let mut out = Vec::with_capacity(secret.len());
        for block in secret.chunks(BLOCK) {
            let mut mixed = GenericArray::clone_from_slice(block);
            cipher.decrypt_block(&mut mixed);
            mixed.iter_mut().zip(last).for_each(|(one, other)| *one ^= other);
            out.extend_from_slice(&mixed);
            last = block;
        }
        let fill = usize::from(*out.last()?);
        out.truncate(out.len().checked_sub(fill).filter(|_| (1..=BLOCK).contains(&fill))?);
        Some(out)
    }

    /// What both sides show to have seen the same bytes: HMAC-SHA-256 with this key.
    pub(super) fn signature(&self, bytes: &[u8]) -> [u8; 32] {
        const WIDTH: usize = 64;
        let keyed = |with: u8| {
            let mut pad = [with; WIDTH];
            pad.iter_mut().zip(self.0).for_each(|(one, other)| *one ^= other);
            pad
        };
        let inner = Sha256::new().chain_update(keyed(0x36)).chain_update(bytes).finalize();
        Sha256::new().chain_update(keyed(0x5c)).chain_update(inner).finalize().into()
    }
}

/// The number in the MON's challenge.
pub(super) fn challenge(payload: &[u8]) -> Option<u64> {
    let mut reader = Reader(payload);
    reader.u8()?;
    reader.u64()
}

/// The answer to the MON's challenge: both numbers encrypted, folded into 64 bits.
pub(super) fn authenticate(key: &Key, theirs: u64, ours: u64) -> Writer {
    let plain = Writer::default().u8(1).u64(MAGIC).u64(theirs).u64(ours);
    let secret = Writer::default().blob(&key.encrypt(&plain.0));
    let mut words = Reader(&secret.0);
    let mut proof = 0;
    while let Some(word) = words.u64() {
        proof ^= word;
    }
    let no_ticket = Writer::default().u8(1).u64(0).blob(&[]);
    let no_other_keys = 0;
    let old_ticket_may_be_omitted = 0;
    Writer::default()
        .u16(GET_SESSION_KEY)
        .u8(3)
        .u64(ours)
        .u64(proof)
        .bytes(&no_ticket.0)
        .u32(no_other_keys)
        .u8(old_ticket_may_be_omitted)
}

/// The session's key out of the MON's last word.
pub(super) fn session_key(key: &Key, payload: &[u8]) -> Option<Key> {
    let mut reader = Reader(payload);
    reader.u16()?;
    if reader.i32()? != 0 {
        return None;
    }
    reader.u8()?;
    if reader.u32()? == 0 {
        return None;
    }
    // Which service the first ticket is for, and the version of its form.
    reader.u32()?;
    reader.u8()?;
    let plain = key.decrypt(reader.blob()?)?;
    let mut reader = Reader(&plain);
    reader.u8()?;
    if reader.u64()? != MAGIC {
        return None;
    }
    reader.u8()?;
    Key::read(&mut reader)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // `ceph-authtool -p` of a key made for this test.
    const KEY: &str = "AQAGgVVpAAAAABAAAAECAwQFBgcICQoLDA0ODw==";

    #[test]
    fn a_keyrings_key_is_read() {
        assert!(Key::from_base64(KEY).is_some());
        assert!(Key::from_base64("AQAGgVVpAAAAABAAAAEC").is_none());
        assert!(Key::from_base64("no key").is_none());
        assert_eq!(format!("{:?}", Key::from_base64(KEY).unwrap()), "Key");
    }

    #[test]
    fn the_signature_is_hmac() {
        // RFC 4231, test case 1, whose key of 20 bytes does not fit: recomputed for 16.
        let key = Key([0x0b; 16]);
        let hex: String = key.signature(b"Hi There").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "492ce020fe2534a5789dc3848806c78f4f6711397f08e7e7a12ca5a4483c8aa6");
    }

    proptest! {
        #[test]
        fn what_is_encrypted_is_decrypted(plain in proptest::collection::vec(any::<u8>(), 0..70)) {
            let key = Key::from_base64(KEY).unwrap();
            prop_assert_eq!(key.decrypt(&key.encrypt(&plain)), Some(plain));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = Key::from_base64(KEY).unwrap();
            let _ = key.decrypt(&bytes);
            let _ = session_key(&key, &bytes);
            let _ = challenge(&bytes);
        }
    }
}
