//! The algorithm names of Salt's options and messages: complete, closed sets.

use std::fmt;
use std::str::FromStr;

use super::CryptoError;

/// How a key is wrapped with RSA: option `encryption_algorithm`, field `enc_algo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EncAlgo {
    /// OAEP with SHA-1: Salt's default.
    #[default]
    OaepSha1,
    /// OAEP with SHA-224: the stronger one, and the one that FIPS allows.
    OaepSha224,
}

impl EncAlgo {
    /// All of them, the strongest first.
    pub const ALL: [Self; 2] = [Self::OaepSha224, Self::OaepSha1];

    /// Salt's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OaepSha1 => "OAEP-SHA1",
            Self::OaepSha224 => "OAEP-SHA224",
        }
    }

    /// Whether a key of this size can wrap a secret of so many bytes.
    pub fn fits(self, key_bits: usize, secret: usize) -> bool {
        let hash = match self {
            Self::OaepSha1 => 20,
            Self::OaepSha224 => 28,
        };
        key_bits.div_ceil(8) >= secret + 2 * hash + 2
    }
}

/// How a message is signed with RSA: option `signing_algorithm`, field `sig_algo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SigAlgo {
    /// PKCS#1 v1.5 with SHA-1: Salt's default.
    #[default]
    Pkcs1v15Sha1,
    /// PKCS#1 v1.5 with SHA-224: the stronger one, and the one that FIPS allows.
    Pkcs1v15Sha224,
}

impl SigAlgo {
    /// All of them, the strongest first.
    pub const ALL: [Self; 2] = [Self::Pkcs1v15Sha224, Self::Pkcs1v15Sha1];

    /// Salt's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pkcs1v15Sha1 => "PKCS1v15-SHA1",
            Self::Pkcs1v15Sha224 => "PKCS1v15-SHA224",
        }
    }
}

impl FromStr for EncAlgo {
    type Err = CryptoError;

    fn from_str(name: &str) -> Result<Self, CryptoError> {
        let found = Self::ALL.into_iter().find(|a| a.name() == name);
        found.ok_or_else(|| CryptoError::UnknownName {
            kind: "encryption algorithm",
            name: name.to_owned(),
            known: "OAEP-SHA1, OAEP-SHA224",
        })
    }
}

impl FromStr for SigAlgo {
    type Err = CryptoError;

    fn from_str(name: &str) -> Result<Self, CryptoError> {
        let found = Self::ALL.into_iter().find(|a| a.name() == name);
        found.ok_or_else(|| CryptoError::UnknownName {
            kind: "signing algorithm",
            name: name.to_owned(),
            known: "PKCS1v15-SHA1, PKCS1v15-SHA224",
        })
    }
}

impl fmt::Display for EncAlgo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for SigAlgo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for algo in EncAlgo::ALL {
            assert_eq!(algo.name().parse(), Ok(algo));
        }
        for algo in SigAlgo::ALL {
            assert_eq!(algo.name().parse(), Ok(algo));
        }
        let error = "OAEP-MD5".parse::<EncAlgo>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown encryption algorithm \"OAEP-MD5\"; known are OAEP-SHA1, OAEP-SHA224"
        );
    }
}
