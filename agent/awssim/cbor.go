package awssim

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// Smithy's RPC v2 CBOR is what newer SDKs speak to CloudWatch, where Debian's aws still speaks the query protocol. A
// request is turned into the query protocol's form and an answer out of its structures, so that each operation is
// written once.

// cborForm turns a request's body into a form. One that is no CBOR map is an empty form: the operation refuses it.
func cborForm(body []byte) url.Values {
	form := url.Values{}
	if v, err := cbor.Decode(body); err == nil {
		flatten(form, "", v)
	}
	return form
}

// flatten writes a value as the query protocol has it: NAME.member.1.KEY.
func flatten(form url.Values, name string, v any) {
	under := func(key string) string { return strings.TrimPrefix(name+"."+key, ".") }
	switch v := v.(type) {
	case cbor.Map:
		for k, e := range v {
			flatten(form, under(k), e)
		}
	case map[string]any:
		for k, e := range v {
			flatten(form, under(k), e)
		}
	case cbor.List:
		flattenList(form, name, v)
	case []any:
		flattenList(form, name, v)
	case *cbor.Tag:
		if t, err := cbor.AsTime(v); err == nil {
			form.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	case cbor.String, string, cbor.Uint, cbor.Bool, bool:
		form.Set(name, fmt.Sprint(v))
	case cbor.NegInt:
		form.Set(name, "-"+strconv.FormatUint(uint64(v), 10))
	case cbor.Float32, cbor.Float64, float64:
		form.Set(name, strconv.FormatFloat(reflect.ValueOf(v).Float(), 'f', -1, 64))
	}
}

func flattenList[T any](form url.Values, name string, list []T) {
	if len(list) == 0 {
		form.Set(name, "") // given, and empty
	}
	for i, e := range list {
		flatten(form, fmt.Sprintf("%s.member.%d", name, i+1), e)
	}
}

// cborOf turns an answer's structures into CBOR. It knows what the answers of CloudWatch are made of.
func cborOf(v reflect.Value) cbor.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return cborOf(v.Elem())
	case reflect.String:
		return cbor.String(v.String())
	case reflect.Bool:
		return cbor.Bool(v.Bool())
	case reflect.Int:
		if v.Int() < 0 {
			return cbor.NegInt(uint64(-v.Int()))
		}
		return cbor.Uint(uint64(v.Int()))
	case reflect.Float64:
		return cbor.Float64(v.Float())
	case reflect.Slice:
		list := cbor.List{}
		for i := range v.Len() {
			list = append(list, cborOf(v.Index(i)))
		}
		return list
	case reflect.Struct:
		return cborStruct(v)
	}
	return &cbor.Nil{}
}

func cborStruct(v reflect.Value) cbor.Value {
	if t, ok := v.Interface().(time.Time); ok {
		return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(t.UnixMilli()) / 1000)}
	}
	if list := v.FieldByName("Member"); list.IsValid() {
		return cborOf(list)
	}
	out := cbor.Map{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if strings.Contains(f.Tag.Get("xml"), "omitempty") && v.Field(i).IsZero() {
			continue
		}
		if e := cborOf(v.Field(i)); e != nil {
			out[f.Name] = e
		}
	}
	return out
}

// answerCBOR is answer in that protocol.
func (s *Sim) answerCBOR(w http.ResponseWriter, result any, err error) {
	s.head(w)
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	if err == nil {
		body := cbor.Value(cbor.Map{})
		if result != nil {
			body = cborOf(reflect.ValueOf(result))
		}
		w.Write(cbor.Encode(body))
		return
	}
	f := fails(http.StatusInternalServerError, "InternalFailure", "%s", err)
	errors.As(err, &f)
	w.Header().Set("X-Amzn-Query-Error", f.code+";Sender") // the query protocol's code, which SDKs made since keep on telling
	w.WriteHeader(f.status)
	w.Write(cbor.Encode(cbor.Map{"__type": cbor.String(f.code), "message": cbor.String(f.message)}))
}
