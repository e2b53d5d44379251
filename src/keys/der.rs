//! As much DER as it takes to measure an RSA key.
//!
//! The backends disagree on short keys: aws-lc-rs refuses to read them at all, RustCrypto signs with them.

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// The bits of the modulus of an `RSAPrivateKey` or an `RSAPublicKey` (RFC 8017, appendix A.1).
pub(super) fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (key, _) = element(SEQUENCE, der)?;
    let (first, rest) = element(INTEGER, key)?;
    // A private key begins with its version, which is one byte.
    let modulus = if first.len() == 1 { element(INTEGER, rest)?.0 } else { first };
    let leading = modulus.iter().position(|byte| *byte != 0)?;
    let significant = modulus.get(leading..)?;
    let unused = significant.first()?.leading_zeros() as usize;
    Some(significant.len() * 8 - unused)
}

/// The content of the element that `der` begins with, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    if length.len() > 4 {
        return None;
    }
    let length = length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    rest.split_at_checked(usize::try_from(length).ok()?)
}
