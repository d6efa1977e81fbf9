//! Random secrets, and the hashes that stand for them on disk.
use ioc_records::{NoRandom, SecretHash, random_bytes};
use ring::{digest, hmac};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// Bytes of the key under which device tokens are hashed.
pub const TOKEN_KEY_BYTES: usize = 32;

/// Makes a token of 32 random bytes, as base64url text of 43 characters.
pub fn new_token() -> Result<String, NoRandom> {
    random_bytes::<TOKEN_BYTES>().map(|bytes| base64url(&bytes))
}

/// Reports whether this can be a token of ours: its length and letters.
pub fn is_token(text: &str) -> bool {
    /// Characters that 32 bytes take.
    const LEN: usize = 43;
    text.len() == LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Hashes a random secret with SHA-256: its length makes salt and slowness unnecessary.
pub fn hash_secret(secret: &str) -> SecretHash {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    let mut hash = SecretHash::default();
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The key under which device tokens are hashed: who reads the database alone cannot even test a guess.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

impl TokenKey {
    /// Takes the bytes of the key file.
    pub fn new(bytes: &[u8; TOKEN_KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Hashes a token.
    pub fn hash(&self, token: &[u8]) -> SecretHash {
        let tag = hmac::sign(&self.0, token);
        let mut hash = SecretHash::default();
        hash.copy_from_slice(tag.as_ref());
        hash
    }

    /// Derives the token of a simulated device from its name, so that the demo need not keep tokens in the clear.
    pub fn derive(&self, name: &str) -> String {
        base64url(hmac::sign(&self.0, format!("simulated:{name}").as_bytes()).as_ref())
    }

    /// Reports whether `token` has this hash, in a time that does not depend on how far they agree.
    pub fn verify(&self, token: &[u8], hash: &SecretHash) -> bool {
        hmac::verify(&self.0, token, hash).is_ok()
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// Writes bytes as base64url without padding (RFC 4648 §5).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().enumerate().fold(0u32, |group, (i, byte)| group | u32::from(*byte) << (16 - 8 * i));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(group >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_agrees_with_the_vectors_of_rfc_4648() {
        let vectors =
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")];
        for (plain, encoded) in vectors {
            assert_eq!(base64url(plain.as_bytes()), encoded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn tokens_differ_and_verify_only_under_their_key() {
        let (a, b) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(a.len(), 43);
        assert_ne!(a, b);
        let (key, other) = (TokenKey::new(&[1; 32]), TokenKey::new(&[2; 32]));
        let hash = key.hash(a.as_bytes());
        assert!(key.verify(a.as_bytes(), &hash));
        assert!(!key.verify(b.as_bytes(), &hash));
        assert!(!other.verify(a.as_bytes(), &hash));
    }
}
