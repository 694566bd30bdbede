package appspec

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// kind is the Ruby class that a YAML value becomes.
type kind string

const (
	kindNil    kind = "nothing"
	kindBool   kind = "a boolean"
	kindInt    kind = "a whole number"
	kindFloat  kind = "a number"
	kindString kind = "a text"
	kindSymbol kind = "a symbol"
	kindTime   kind = "a time"
	kindDate   kind = "a date"
	kindList   kind = "a list"
	kindMap    kind = "a mapping"
)

// scalar is a YAML scalar as Psych 4 (Ruby's YAML) reads it: lib/psych/scalar_scanner.rb, tokenize.
type scalar struct {
	kind  kind
	text  string // Ruby's to_s
	whole int64  // of a whole number; saturated
	float float64
	truth bool // Ruby's truthiness
	odd   bool // a whole number that was not written in decimal: a leading 0, 0x, 1:30
}

var (
	timeLike = pattern(`^-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?$`)
	dateLike = pattern(`^\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)$`)
	base60   = pattern(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}$`)
	base60f  = pattern(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}\.[0-9_]*$`)
	float10  = pattern(`^(?:[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][+-][0-9]+)?)$`)
	integer  = pattern(`^(?:[-+]?0[b][_,]*[0-1][0-1_,]*|[-+]?0[_,]*[0-7][0-7_,]*|[-+]?(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)|[-+]?0[x][_,]*[0-9a-fA-F][0-9a-fA-F_,]*)$`)
)

// pattern compiles an expression when it is first needed: a hook needs few of them, and all took a twentieth of its time.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// wordLike is Psych's ^[^\d.:-]?[[:alpha:]_\s!@#$%\^&*(){}<>|/\\~;=]+ : what begins like a word is none of the numbers and times.
func wordLike(s string) bool {
	in := func(r rune) bool {
		return unicode.IsLetter(r) || r != utf8.RuneError && strings.ContainsRune("_ \t\n\f\r!@#$%^&*(){}<>|/\\~;=", r)
	}
	first, n := utf8.DecodeRuneInString(s)
	if in(first) {
		return true
	}
	second, _ := utf8.DecodeRuneInString(s[n:])
	return !strings.ContainsRune("0123456789.:-", first) && in(second)
}

// decimal reads the numbers that people write, 60 and 0.0, without the expressions; false of all others.
func decimal(s string) (scalar, bool) {
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || len(s) > 15 || strings.Trim(whole+frac, "0123456789") != "" {
		return scalar{}, false
	}
	if point {
		return float(s), frac != ""
	}
	return parseInt(s), whole == "0" || whole[0] != '0'
}

func textScalar(s string) scalar { return scalar{kind: kindString, text: s, truth: true} }

func boolScalar(b bool) scalar { return scalar{kind: kindBool, text: strconv.FormatBool(b), truth: b} }

// tokenize reads a plain scalar as Psych does.
func tokenize(s string) scalar {
	if n, ok := decimal(s); ok {
		return n
	}
	switch {
	case s == "":
		return scalar{kind: kindNil}
	case wordLike(s), strings.Contains(s, "\n"):
		return word(s)
	case timeLike().MatchString(s):
		return scalar{kind: kindTime, text: s, truth: true}
	case dateLike().MatchString(s):
		return scalar{kind: kindDate, text: s, truth: true}
	case strings.EqualFold(s, ".inf"), strings.EqualFold(s, "+.inf"):
		return floatScalar(math.Inf(1))
	case strings.EqualFold(s, "-.inf"):
		return floatScalar(math.Inf(-1))
	case strings.EqualFold(s, ".nan"):
		return floatScalar(math.NaN())
	case len(s) > 1 && s[0] == ':':
		return scalar{kind: kindSymbol, text: strings.Trim(s[1:], `"'`), truth: true}
	case base60().MatchString(s), base60f().MatchString(s):
		return sexagesimal(s)
	case float10().MatchString(s):
		return float(s)
	case integer().MatchString(s):
		return parseInt(s)
	}
	return textScalar(s)
}

// word reads what begins like a word: nothing, a boolean, or a text.
func word(s string) scalar {
	switch l := strings.ToLower(s); {
	case s == "~", l == "null":
		return scalar{kind: kindNil}
	case l == "yes", l == "true", l == "on":
		return boolScalar(true)
	case l == "no", l == "false", l == "off":
		return boolScalar(false)
	}
	return textScalar(s)
}

// sexagesimal reads 1:30 as Psych does: its first part always counts 3,600.
func sexagesimal(s string) scalar {
	sum, weight := 0.0, 3600.0
	for _, part := range strings.Split(s, ":") {
		n, _ := strconv.ParseFloat(strings.ReplaceAll(part, "_", ""), 64)
		sum += n * weight
		weight = map[float64]float64{3600: 60, 60: 1}[weight]
	}
	if strings.Contains(s, ".") {
		return floatScalar(sum)
	}
	sc := intScalar(int64(sum))
	sc.odd = true
	return sc
}

func float(s string) scalar {
	if strings.Trim(s, "+-") == "." {
		return textScalar(s)
	}
	clean := strings.NewReplacer(",", "", "_", "").Replace(s)
	f, err := strconv.ParseFloat(clean, 64)
	if err != nil && !strings.Contains(err.Error(), "range") {
		return textScalar(s)
	}
	return floatScalar(f)
}

func floatScalar(f float64) scalar {
	whole := int64(0)
	if !math.IsNaN(f) {
		whole = int64(max(min(f, 1e15), -1e15))
	}
	return scalar{kind: kindFloat, text: floatText(f), float: f, whole: whole, truth: true}
}

// floatText is Ruby's Float#to_s: 1.0e+15 and 1.0e-05 where the exponent is that large or small.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+") + "inity"
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if size := math.Abs(f); size >= 1e15 || size < 1e-4 && size > 0 {
		text = strconv.FormatFloat(f, 'e', -1, 64)
	}
	digits, exponent, isExp := strings.Cut(text, "e")
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	if isExp {
		return digits + "e" + exponent
	}
	return digits
}

func intScalar(n int64) scalar {
	return scalar{kind: kindInt, text: strconv.FormatInt(n, 10), whole: n, float: float64(n), truth: true}
}

// parseInt reads Ruby's Integer(): 0b, 0x, and a leading 0 for octal.
func parseInt(s string) scalar {
	clean := strings.NewReplacer(",", "", "_", "").Replace(s)
	n, ok := new(big.Int).SetString(strings.TrimPrefix(clean, "+"), 0)
	if !ok {
		return textScalar(s)
	}
	sc := intScalar(math.MaxInt64)
	if n.IsInt64() {
		sc = intScalar(n.Int64())
	} else if n.Sign() < 0 {
		sc = intScalar(math.MinInt64)
	}
	sc.text = n.String()
	digits := strings.TrimLeft(clean, "+-")
	sc.odd = len(digits) > 1 && digits[0] == '0' && digits[1] <= '9'
	return sc
}

var leadingInt = pattern(`^[\s\v]*([-+]?\d+(?:_\d+)*)`)

// toInt is Ruby's to_i of a text or a number; false where Ruby has no to_i.
func (s scalar) toInt() (int64, bool) {
	switch s.kind {
	case kindInt:
		return s.whole, true
	case kindFloat:
		return s.whole, !math.IsInf(s.float, 0) && !math.IsNaN(s.float)
	case kindTime:
		return 1, true // seconds since 1970
	case kindNil:
		return 0, true
	case kindString:
		m := leadingInt().FindStringSubmatch(s.text)
		if m == nil {
			return 0, true
		}
		n, err := strconv.ParseInt(strings.ReplaceAll(m[1], "_", ""), 10, 64)
		if err != nil {
			n = math.MaxInt64
			if strings.HasPrefix(m[1], "-") {
				n = 0
			}
		}
		return n, true
	}
	return 0, false
}
