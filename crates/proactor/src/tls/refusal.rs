//! Refusals: why a handshake failed, in one sentence.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The reason why two sides did not agree on a connection. It is inside an [`io::Error`] of the kind
/// `InvalidData`; its source is the error of rustls.
#[derive(Debug)]
pub struct Refused {
    /// The other side, as a phrase.
    of: String,
    why: Error,
}

impl Refused {
    /// The refusal as an error.
    pub(super) fn error(of: &str, why: Error) -> io::Error {
        let refused = Refused {
            of: of.to_owned(),
            why,
        };
        io::Error::new(io::ErrorKind::InvalidData, refused)
    }

    /// The error of rustls.
    pub fn reason(&self) -> &Error {
        &self.why
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.of;
        match &self.why {
            Error::InvalidCertificate(why) => {
                write!(formatter, "the certificate of {of} is refused: ")?;
                match why {
                    CertificateError::UnknownIssuer => {
                        formatter.write_str("nobody who is trusted here has issued it")
                    }
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. } => {
                        formatter.write_str("it was issued for another name")
                    }
                    CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                        formatter.write_str("it has expired")
                    }
                    CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                        formatter
                            .write_str("it is not valid yet, or the clock of this machine is wrong")
                    }
                    CertificateError::Revoked => formatter.write_str("it was revoked"),
                    CertificateError::BadSignature => formatter.write_str("its signature is wrong"),
                    other => write!(formatter, "{other}"),
                }
            }
            Error::NoCertificatesPresented => {
                write!(formatter, "{of} has shown no certificate")
            }
            Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::UnsupportedCertificate,
            ) => write!(formatter, "{of} has refused the certificate of this side"),
            other => write!(formatter, "no TLS connection with {of}: {other}"),
        }
    }
}

impl StdError for Refused {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_sentence_that_names_who_and_why() {
        let why = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(
            Refused::error("the server example.org", why).to_string(),
            "the certificate of the server example.org is refused: nobody who is trusted here has issued it"
        );
        let why = Error::AlertReceived(AlertDescription::UnknownCA);
        assert_eq!(
            Refused::error("the client", why).to_string(),
            "the client has refused the certificate of this side"
        );
    }
}
