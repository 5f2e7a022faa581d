// Package evidence looks whether a file is what it says it is: a PDF, a JPEG, a PNG, or the bundle of a transfer
// from another bank, by its content, its declared media type and
// the extension of its name, all three alike.
//
// What is checked is the outside: the signature at the very first byte, the structure that ends the file, and that nothing
// follows it, so that one file is not two kinds at once; of pictures the header is decoded and every part of a PNG is
// held against its checksum. What is drawn in a picture, what a document says, and whether it carries scripts or malware
// is not looked at, nor whether what a bundle says holds: a PDF can hide both where only a full reader finds them, so whoever opens one needs a viewer that runs nothing.
//
// The package keeps nothing, and never puts a name or a byte of a file into an error. Its one invariant: what Check accepts
// has exactly one of four media types.
package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"path"
	"slices"
	"strings"

	"github.com/learning-credit-bank/creditbank/api/bundle"
)

// Limits of a file.
const (
	// MaxBytes is how many bytes a file has at most: with what is around it, it fits into one call.
	MaxBytes = 3 << 20
	// maxSide and maxPixels bound pictures, so that nobody's viewer is made to unpack gigabytes.
	maxSide   = 30_000
	maxPixels = 100_000_000
)

// Why a file is refused.
var (
	// ErrEmpty says that it has no bytes.
	ErrEmpty = errors.New("evidence: the file is empty")
	// ErrSize says that it has too many, or a picture too many pixels.
	ErrSize = errors.New("evidence: the file is too large")
	// ErrType says that its declared type is none that is taken.
	ErrType = errors.New("evidence: files are PDF, JPEG, PNG or bundles")
	// ErrMismatch says that it is not what it says it is.
	ErrMismatch = errors.New("evidence: the file is not what it says it is")
)

// The media types that are taken.
const (
	PDF  = "application/pdf"
	JPEG = "image/jpeg"
	PNG  = "image/png"
	// Bundle is the bundle of a transfer, as package bundle describes it.
	Bundle = "application/vnd.creditbank.transfer-bundle"
)

// signs are what a file of a media type begins with, and the extensions of its name; none: it is not taken. No signature
// begins another one, so that a file has one type at most.
func signs(mediaType string) (signature string, extensions []string) {
	switch mediaType {
	case PDF:
		return "%PDF-", []string{".pdf"}
	case JPEG:
		return "\xff\xd8\xff", []string{".jpg", ".jpeg"}
	case PNG:
		return "\x89PNG\r\n\x1a\n", []string{".png"}
	case Bundle:
		return "creditbank/v1 transfer bundle ", []string{".bundle"}
	default:
		return "", nil
	}
}

// Check answers nil when the content is of the declared media type, and the name has an extension of it.
func Check(name, mediaType string, content []byte) error {
	signature, accepted := signs(mediaType)
	if accepted == nil {
		return ErrType
	}
	switch {
	case len(content) == 0:
		return ErrEmpty
	case len(content) > MaxBytes:
		return ErrSize
	}
	if !slices.Contains(accepted, strings.ToLower(path.Ext(name))) || !bytes.HasPrefix(content, []byte(signature)) {
		return ErrMismatch
	}
	switch mediaType {
	case Bundle:
		if _, err := bundle.Content(content); err != nil {
			return ErrMismatch
		}
		return nil
	case PDF:
		return checkPDF(content)
	case PNG:
		if err := checkSize(png.DecodeConfig(bytes.NewReader(content))); err != nil {
			return err
		}
		return checkPNG(content)
	default:
		if err := checkSize(jpeg.DecodeConfig(bytes.NewReader(content))); err != nil {
			return err
		}
		return checkJPEG(content)
	}
}

func checkSize(config image.Config, err error) error {
	switch {
	case err != nil:
		return ErrMismatch
	case config.Width > maxSide || config.Height > maxSide || config.Width*config.Height > maxPixels:
		return ErrSize
	default:
		return nil
	}
}

// checkPDF wants a header of a known version, a pointer to the cross-reference near the end (ISO 32000-1, 7.5.5), and
// nothing but white space after the last end-of-file marker.
func checkPDF(content []byte) error {
	if len(content) < len("%PDF-1.0") || content[6] != '.' || content[7] < '0' || content[7] > '9' || content[5] < '1' || content[5] > '2' {
		return ErrMismatch
	}
	marker := []byte("%%EOF")
	end := bytes.LastIndex(content, marker)
	if end < 0 || len(bytes.TrimSpace(content[end+len(marker):])) > 0 {
		return ErrMismatch
	}
	if !bytes.Contains(content[max(0, end-1024):end], []byte("startxref")) {
		return ErrMismatch
	}
	return nil
}

// checkPNG walks the chunks (PNG, third edition, 5.3): each with its checksum, the last one IEND, and nothing after it.
func checkPNG(content []byte) error {
	const signature, around = 8, 12 // length, type and checksum of a chunk
	for rest := content[signature:]; len(rest) >= around; {
		length := int64(binary.BigEndian.Uint32(rest))
		if length > int64(len(rest)-around) {
			return ErrMismatch
		}
		body := rest[4 : 8+length]
		if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(rest[8+length:]) {
			return ErrMismatch
		}
		rest = rest[around+length:]
		if string(body[:4]) == "IEND" {
			if len(rest) > 0 {
				return ErrMismatch
			}
			return nil
		}
	}
	return ErrMismatch
}

// checkJPEG wants the end-of-image marker (ISO 10918-1, B.1.1.3) at the end. Zeros after it, with which some cameras fill a
// file up, are let be; a film that a telephone appends to its pictures is not.
func checkJPEG(content []byte) error {
	if !bytes.HasSuffix(bytes.TrimRight(content, "\x00"), []byte{0xff, 0xd9}) {
		return ErrMismatch
	}
	return nil
}
