package evidence_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"

	"github.com/learning-credit-bank/creditbank/api/evidence"
)

const pdf = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\nxref\n0 1\ntrailer << /Size 1 /Root 1 0 R >>\nstartxref\n45\n%%EOF\n"

func picture(t testing.TB, encode func(*bytes.Buffer, image.Image) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB) []byte {
	t.Helper()
	return picture(t, func(b *bytes.Buffer, m image.Image) error { return png.Encode(b, m) })
}

func jpegOf(t testing.TB) []byte {
	t.Helper()
	return picture(t, func(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, nil) })
}

func TestCheck(t *testing.T) {
	t.Parallel()
	broken := slices.Clone(pngOf(t))
	broken[len(broken)-20] ^= 1 // within the last chunk but one
	huge := slices.Clone(jpegOf(t))
	i := bytes.Index(huge, []byte{0xff, 0xc0}) // its height and width follow the length and the precision
	copy(huge[i+5:], []byte{0x75, 0x00, 0x75, 0x00})
	for name, c := range map[string]struct {
		name, mediaType string
		content         []byte
		want            error
	}{
		"a document":                {"证书.pdf", evidence.PDF, []byte(pdf), nil},
		"a picture":                 {"a.JPEG", evidence.JPEG, jpegOf(t), nil},
		"a filled-up picture":       {"a.jpg", evidence.JPEG, append(jpegOf(t), 0, 0, 0), nil},
		"a drawing":                 {"a.b.png", evidence.PNG, pngOf(t), nil},
		"a bundle":                  {"a.bundle", evidence.Bundle, []byte("creditbank/v1 transfer bundle 2\n.."), nil},
		"a bundle that was cut off": {"a.bundle", evidence.Bundle, []byte("creditbank/v1 transfer bundle 3\n.."), evidence.ErrMismatch},
		"a bundle with more":        {"a.bundle", evidence.Bundle, []byte("creditbank/v1 transfer bundle 1\n.."), evidence.ErrMismatch},
		"a bundle as a document":    {"a.pdf", evidence.PDF, []byte("creditbank/v1 transfer bundle 2\n.."), evidence.ErrMismatch},
		"nothing":                   {"a.pdf", evidence.PDF, nil, evidence.ErrEmpty},
		"too large":                 {"a.pdf", evidence.PDF, make([]byte, evidence.MaxBytes+1), evidence.ErrSize},
		"too many pixels":           {"a.jpg", evidence.JPEG, huge, evidence.ErrSize},
		"a page":                    {"a.html", "text/html", []byte("<html>"), evidence.ErrType},
		"a program":                 {"a.exe", "application/octet-stream", []byte("MZ"), evidence.ErrType},
		"no type":                   {"a.pdf", "", []byte(pdf), evidence.ErrType},
		"a type with more":          {"a.pdf", "application/pdf; q=1", []byte(pdf), evidence.ErrType},
		"a picture as a document":   {"a.pdf", evidence.PDF, jpegOf(t), evidence.ErrMismatch},
		"a drawing as a picture":    {"a.jpg", evidence.JPEG, pngOf(t), evidence.ErrMismatch},
		"another extension":         {"a.png", evidence.PDF, []byte(pdf), evidence.ErrMismatch},
		"no extension":              {"pdf", evidence.PDF, []byte(pdf), evidence.ErrMismatch},
		"a program as a document":   {"a.pdf", evidence.PDF, []byte("MZ\x90 %PDF-1.7"), evidence.ErrMismatch},
		"a document after a script": {"a.pdf", evidence.PDF, []byte("<script></script>" + pdf), evidence.ErrMismatch},
		"an archive after it":       {"a.pdf", evidence.PDF, []byte(pdf + "PK\x03\x04"), evidence.ErrMismatch},
		"half a document":           {"a.pdf", evidence.PDF, []byte(pdf[:60]), evidence.ErrMismatch},
		"no cross-reference":        {"a.pdf", evidence.PDF, []byte("%PDF-1.7\n%%EOF"), evidence.ErrMismatch},
		"no version":                {"a.pdf", evidence.PDF, []byte("%PDF-x.7\nstartxref\n0\n%%EOF"), evidence.ErrMismatch},
		"a header alone":            {"a.pdf", evidence.PDF, []byte("%PDF-"), evidence.ErrMismatch},
		"an archive after a PNG":    {"a.png", evidence.PNG, append(pngOf(t), "PK\x03\x04"...), evidence.ErrMismatch},
		"half a PNG":                {"a.png", evidence.PNG, pngOf(t)[:40], evidence.ErrMismatch},
		"a PNG of a bad checksum":   {"a.png", evidence.PNG, broken, evidence.ErrMismatch},
		"a page after a JPEG":       {"a.jpg", evidence.JPEG, append(jpegOf(t), "<html>"...), evidence.ErrMismatch},
		"half a JPEG":               {"a.jpg", evidence.JPEG, jpegOf(t)[:len(jpegOf(t))-1], evidence.ErrMismatch},
		"the signature of a JPEG":   {"a.jpg", evidence.JPEG, []byte{0xff, 0xd8, 0xff, 0xff, 0xd9}, evidence.ErrMismatch},
	} {
		if err := evidence.Check(c.name, c.mediaType, c.content); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, not %v", name, err, c.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("a.pdf", evidence.PDF, []byte(pdf))
	f.Add("a.png", evidence.PNG, pngOf(f))
	f.Add("a.jpg", evidence.JPEG, jpegOf(f))
	f.Fuzz(func(t *testing.T, name, mediaType string, content []byte) {
		if evidence.Check(name, mediaType, content) != nil {
			return
		}
		// What is accepted is accepted as one type alone.
		for _, other := range []string{evidence.PDF, evidence.JPEG, evidence.PNG} {
			for _, ext := range []string{".pdf", ".jpg", ".png"} {
				if other != mediaType && evidence.Check("a"+ext, other, content) == nil {
					t.Fatalf("%s is %s too", mediaType, other)
				}
			}
		}
	})
}
