// Checks a log in a folder of tiles, or a receipt, with golang.org/x/mod's note and tlog alone.
//
//	verify log FOLDER VKEY
//	verify receipt FILE VKEY
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "verify log FOLDER VKEY | verify receipt FILE VKEY")
		os.Exit(2)
	}
	check := map[string]func(string, string) error{"log": checkLog, "receipt": checkReceipt}[os.Args[1]]
	if err := check(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("holds")
}

// openCheckpoint gives the tree that a note of the log with this key signs.
func openCheckpoint(data []byte, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// tiles reads the tiles of a folder in the layout of tlog-tiles.
type tiles struct{ folder string }

func (t tiles) Height() int                               { return height }
func (t tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
		data, err := os.ReadFile(filepath.Join(t.folder, "tile", path))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// readBundle gives the entries of an entry bundle: each after its length in two bytes.
func readBundle(folder string, n int64, width int) ([][]byte, error) {
	path := strings.TrimPrefix(tlog.Tile{H: height, L: 0, N: n, W: width}.Path(), fmt.Sprintf("tile/%d/0/", height))
	data, err := os.ReadFile(filepath.Join(folder, "tile", "entries", path))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("a bundle that ends inside an entry")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries, data = append(entries, data[2:end]), data[end:]
	}
	if len(entries) != width {
		return nil, fmt.Errorf("a bundle of %d entries, not %d", len(entries), width)
	}
	return entries, nil
}

// checkLog holds every entry against the root by its own hashes, and its proof out of the tiles.
func checkLog(folder, vkey string) error {
	data, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(data, vkey)
	if err != nil {
		return err
	}
	var stored []tlog.Hash
	inMemory := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	fromTiles := tlog.TileHashReader(tree, tiles{folder})
	for start := int64(0); start < tree.N; start += 1 << height {
		width := int64(1 << height)
		if tree.N-start < width {
			width = tree.N - start
		}
		entries, err := readBundle(folder, start>>height, int(width))
		if err != nil {
			return err
		}
		for i, entry := range entries {
			position := start + int64(i)
			hashes, err := tlog.StoredHashes(position, entry, inMemory)
			if err != nil {
				return err
			}
			stored = append(stored, hashes...)
			proof, err := tlog.ProveRecord(tree.N, position, fromTiles)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, position, tlog.RecordHash(entry)); err != nil {
				return err
			}
		}
	}
	root, err := tlog.TreeHash(tree.N, inMemory)
	if err == nil && root != tree.Hash {
		err = errors.New("another root")
	}
	return err
}

// checkReceipt checks a tlog-proof whose extra line begins with the entry, as msgpack.
func checkReceipt(file, vkey string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parts := bytes.SplitN(data, []byte("\n\n"), 2)
	if len(parts) != 2 {
		return errors.New("no checkpoint")
	}
	lines := strings.Split(string(parts[0]), "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		return errors.New("no tlog-proof with an extra line")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	// An array of one or three, then bytes of a length that takes one byte.
	if len(extra) < 3 || (extra[0] != 0x91 && extra[0] != 0x93) || extra[1] != 0xc4 || len(extra) < 3+int(extra[2]) {
		return errors.New("no entry in the extra line")
	}
	entry := extra[3 : 3+int(extra[2])]
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(parts[1], vkey)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}
