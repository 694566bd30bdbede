package check

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxLine   = 120     // runes of what an application says that a reason shows: CodeDeploy's console gets lines of at most 200
	maxDetail = 2 << 10 // bytes of Detail
)

// oneLine makes text fit for a reason: one line, printable, no terminal sequences, at most limit runes.
func oneLine(text string, limit int) string {
	var b strings.Builder
	count, space := 0, false
	for text = withoutEscapes(text); text != ""; {
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if !unicode.IsPrint(r) || r == ' ' {
			space = count > 0
			continue
		}
		need := 1
		if space {
			need = 2
		}
		if count+need > limit-1 && strings.TrimSpace(text) != "" || count+need > limit {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		count, space = count+need, false
	}
	return b.String()
}

// withoutEscapes drops the control sequences (ESC [ … letter) that colour a terminal's text.
func withoutEscapes(text string) string {
	const start = "\x1b["
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, start)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' || r < ' ' })
		if end < 0 {
			return b.String()
		}
		text = rest[end:]
		if text[0] >= '@' {
			text = text[1:]
		}
	}
}

// quoted is oneLine in quotes.
func quoted(text string) string { return strconv.Quote(oneLine(text, maxLine)) }

// detail is the beginning of text as valid UTF-8; its lines stay lines.
func detail(text string) string {
	if len(text) > maxDetail {
		text = text[:maxDetail]
	}
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(withoutEscapes(text), "\uFFFD"))
	return strings.TrimSpace(text)
}
