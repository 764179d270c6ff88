//! The bind values of the transaction that is open: what the client itself said, beside statement text.
//!
//! In:  the parameters of each Bind, as sent.
//! Out: the same, for `redact`, which lets values through that the client sent.
//!
//! Invariants:
//! - Bounded: the oldest are forgotten first, and a long one is never kept. What is forgotten is taken out of an
//!   error's text; it is never the other way round.

use std::collections::VecDeque;

/// Longest parameters of one Bind.
const MAX_ONE: usize = 8 * 1024;
/// All of them together.
const MAX_ALL: usize = 64 * 1024;

/// Parameters of the latest Binds.
#[derive(Debug, Default)]
pub(super) struct Said {
    parameters: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Said {
    pub(super) fn push(&mut self, parameters: &[u8]) {
        if parameters.len() > MAX_ONE {
            return;
        }
        self.bytes += parameters.len();
        self.parameters.push_back(parameters.to_vec());
        while self.bytes > MAX_ALL {
            let oldest = self.parameters.pop_front();
            self.bytes -= oldest.map_or(self.bytes, |oldest| oldest.len());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.parameters.iter().map(Vec::as_slice)
    }

    pub(super) fn clear(&mut self) {
        self.parameters.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut said = Said::default();
        said.push(&[1; MAX_ONE + 1]);
        assert_eq!(said.iter().count(), 0);
        for value in 0..20 {
            said.push(&[value; MAX_ONE]);
        }
        let kept: Vec<u8> = said.iter().map(|parameters| parameters[0]).collect();
        assert_eq!(kept, [12, 13, 14, 15, 16, 17, 18, 19]);
        said.clear();
        assert_eq!((said.iter().count(), said.bytes), (0, 0));
    }
}
