//! Markdown, as far as the documentation's tests look at it: code, the comments before it, links, and what links can lead to.

use std::collections::HashMap;

/// A fenced block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The line that it begins at, from 1.
    pub(crate) line: usize,
    /// What stands behind the first fence, such as `sh`.
    pub(crate) info: String,
    /// Its lines, less the fence's indentation.
    pub(crate) text: String,
    /// The comment right before it, which nobody sees on the page.
    pub(crate) mark: Option<String>,
}

/// What was found on a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    /// Where links lead, each with its line.
    pub(crate) links: Vec<(usize, String)>,
    /// Code within the text, each with its line.
    pub(crate) spans: Vec<(usize, String)>,
    /// What a link may name behind `#`.
    pub(crate) anchors: Vec<String>,
}

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let prose = page.take_blocks(text);
        let bare = page.take_spans(&prose);
        page.take_links(&bare);
        page.take_anchors(&prose);
        page
    }

    /// Takes the blocks and comments out; every line that is left stands where it stood.
    fn take_blocks(&mut self, text: &str) -> String {
        let (mut prose, mut mark) = (String::new(), None::<String>);
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let own = line.trim_start();
            if let Some(begun) = own.strip_prefix("<!--") {
                let mut comment = begun.to_owned();
                while !comment.contains("-->") {
                    let Some((_, more)) = lines.next() else { break };
                    comment = format!("{comment}\n{more}");
                    prose.push('\n');
                }
                mark = Some(comment.split("-->").next().unwrap_or_default().trim().to_owned());
            } else if let Some(info) = own.strip_prefix("```") {
                let indent = line.len() - own.len();
                let mut block =
                    Block { line: number + 1, info: info.trim().to_owned(), text: String::new(), mark: mark.take() };
                for (_, line) in lines.by_ref() {
                    prose.push('\n');
                    if line.trim() == "```" {
                        break;
                    }
                    let blanks = line.len() - line.trim_start().len();
                    block.text.push_str(&line[blanks.min(indent)..]);
                    block.text.push('\n');
                }
                self.blocks.push(block);
            } else {
                if !own.is_empty() {
                    mark = None;
                }
                prose.push_str(line);
            }
            prose.push('\n');
        }
        prose
    }

    /// Takes code out of the text, which may go on in the next line.
    fn take_spans(&mut self, prose: &str) -> String {
        let (mut bare, mut line) = (String::new(), 1);
        for (place, part) in prose.split('`').enumerate() {
            if place % 2 == 1 {
                self.spans.push((line, part.split_whitespace().collect::<Vec<_>>().join(" ")));
                bare.extend(part.chars().filter(|&c| c == '\n'));
            } else {
                bare.push_str(part);
            }
            line += part.matches('\n').count();
        }
        bare
    }

    fn take_links(&mut self, bare: &str) {
        for (number, line) in bare.lines().enumerate() {
            for mark in ["](", "src=\""] {
                for rest in line.split(mark).skip(1) {
                    let end = rest.find([')', '"', ' ']).unwrap_or(rest.len());
                    self.links.push((number + 1, rest[..end].to_owned()));
                }
            }
        }
    }

    /// As GitHub makes them of headings.
    fn take_anchors(&mut self, prose: &str) {
        let mut seen = HashMap::<String, usize>::new();
        for line in prose.lines() {
            let title = line.trim_start_matches('#');
            if title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let letters = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            let slug: String = letters.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
            let times = seen.entry(slug.clone()).and_modify(|n| *n += 1).or_insert(0);
            self.anchors.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
        }
    }
}
