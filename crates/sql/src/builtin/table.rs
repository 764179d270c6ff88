//! Makes sorted tables of words out of readable lists, at compile time.
//!
//! In:  texts of words with white space between them.
//! Out: an array of those words in byte order, fit for a binary search.

/// How many words the texts hold.
pub(super) const fn count(texts: &[&str]) -> usize {
    let mut words = 0;
    let mut text = 0;
    while text < texts.len() {
        let mut rest = texts[text];
        while let Some((_, after)) = next_word(rest) {
            words += 1;
            rest = after;
        }
        text += 1;
    }
    words
}

/// The words of the texts, sorted; `N` is their [`count`].
pub(super) const fn sorted<const N: usize>(texts: &[&'static str]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut filled = 0;
    let mut text = 0;
    while text < texts.len() {
        let mut rest = texts[text];
        while let Some((word, after)) = next_word(rest) {
            words[filled] = word;
            filled += 1;
            rest = after;
        }
        text += 1;
    }
    merge_sort(words)
}

const fn next_word(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() && bytes[start].is_ascii_whitespace() {
        start += 1;
    }
    let mut end = start;
    while end < bytes.len() && !bytes[end].is_ascii_whitespace() {
        end += 1;
    }
    if start == end {
        return None;
    }
    let (_, word) = text.split_at(start);
    Some(word.split_at(end - start))
}

/// Merges runs of 1, 2, 4 … words.
const fn merge_sort<const N: usize>(mut words: [&'static str; N]) -> [&'static str; N] {
    let mut width = 1;
    while width < N {
        let mut merged = [""; N];
        let mut start = 0;
        while start < N {
            let middle = smaller(start + width, N);
            let end = smaller(start + 2 * width, N);
            let (mut left, mut right, mut at) = (start, middle, start);
            while at < end {
                let from_left =
                    right >= end || (left < middle && !is_less(words[right], words[left]));
                let from = if from_left { &mut left } else { &mut right };
                merged[at] = words[*from];
                *from += 1;
                at += 1;
            }
            start = end;
        }
        words = merged;
        width *= 2;
    }
    words
}

const fn smaller(left: usize, right: usize) -> usize {
    if left < right { left } else { right }
}

const fn is_less(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_by_their_bytes() {
        const TEXTS: &[&str] = &["\n  pear apple\tfig ", "", "app apple_2 a"];
        const WORDS: [&str; count(TEXTS)] = sorted(TEXTS);
        assert_eq!(WORDS, ["a", "app", "apple", "apple_2", "fig", "pear"]);
    }
}
