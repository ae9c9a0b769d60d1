// The official archives of ImageNet in small, byte by byte as tar, gzip and MATLAB write them.
#pragma once

#include <zlib.h>

#include <cstdio>
#include <cstring>

#include "data/picture_trees.h"

namespace liere::test {

/// A ustar header (and a GNU long name before it where the name needs one), the content, zeros up to the block's end.
inline std::string tar_member(const std::string& name, const std::string& content, char type = '0') {
  std::string header(512, '\0'), before;
  if (name.size() > 99) before = tar_member("././@LongLink", name + '\0', 'L');
  const auto put_text = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  const auto octal = [](uint64_t value, int digits) {
    char text[24];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
    return std::string(text);
  };
  put_text(0, name.substr(0, 99));
  put_text(100, "0000644");
  put_text(108, "0000000");
  put_text(116, "0000000");
  put_text(124, octal(content.size(), 11));
  put_text(136, "00000000000");
  put_text(148, "        ");
  header[156] = type;
  put_text(257, std::string("ustar\0", 6) + "00");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put_text(148, octal(sum, 6));
  header[154] = '\0';
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512);
  return before + header + padded;
}
inline std::string tar_end() { return std::string(1024, '\0'); }

inline std::string gzip(const std::string& content) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string packed(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

inline std::string words(std::initializer_list<uint32_t> values) {
  std::string text;
  for (const uint32_t value : values) text.append(reinterpret_cast<const char*>(&value), 4);
  return text;
}
inline std::string mat_element(uint32_t type, std::string data) {
  const auto size = static_cast<uint32_t>(data.size());
  if (size <= 4) {
    data.resize(4);
    return words({type | size << 16}) + data;
  }
  data.resize((data.size() + 7) / 8 * 8);
  return words({type, size}) + data;
}
inline std::string mat_matrix(uint32_t kind, uint32_t columns, const std::string& name, const std::string& content) {
  return words({14, 0}).substr(0, 4) + [&] {
    const std::string body = mat_element(6, words({kind, 0})) + mat_element(5, words({columns, 1})) + mat_element(1, name) + content;
    return words({static_cast<uint32_t>(body.size())}) + body;
  }();
}

/// meta.mat with the classes as IDs 1, 2, ..., and one synset above them, which is no class.
inline std::string meta_mat(const std::vector<std::string>& wnids, bool compressed = true) {
  const std::vector<std::string> fields = {"ILSVRC2012_ID", "WNID", "num_children"};
  std::string names;
  for (auto field : fields) {
    field.resize(32);
    names += field;
  }
  std::string content = mat_element(5, words({32})) + mat_element(1, names);
  const auto synset = [&](uint32_t id, const std::string& wnid, uint8_t children) {
    std::string wide;
    for (const char c : wnid) wide += {c, '\0'};
    content += mat_matrix(6, 1, "", mat_element(4, std::string(reinterpret_cast<const char*>(&id), 2)));
    content += mat_matrix(4, static_cast<uint32_t>(wnid.size()), "", mat_element(4, wide));
    content += mat_matrix(6, 1, "", mat_element(2, std::string(1, static_cast<char>(children))));
  };
  for (size_t i = 0; i < wnids.size(); ++i) synset(static_cast<uint32_t>(i) + 1, wnids[i], 0);
  synset(static_cast<uint32_t>(wnids.size()) + 1, "n00000000", 3);
  const std::string variable = mat_matrix(2, static_cast<uint32_t>(wnids.size()) + 1, "synsets", content);
  std::string header(128, ' ');
  header.replace(124, 4, std::string("\x00\x01IM", 4));
  if (!compressed) return header + variable;
  uLongf size = compressBound(variable.size());
  std::string packed(size, '\0');
  if (compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(variable.data()), variable.size()) != Z_OK) std::abort();
  packed.resize(size);
  return header + words({15, static_cast<uint32_t>(size)}) + packed;
}

/// Three archives: classes n02 and n10 (IDs 2 and 1) with `per_class` training pictures each; validation pictures 1..3 of the classes n02, n10, n02.
inline void make_archives(const fs::path& folder, int per_class = 2) {
  std::string train;
  int n = 0;
  for (const std::string name : {"n10", "n02"}) {
    std::string inner;
    for (int i = per_class; i > 0; --i) inner += tar_member(name + "_" + std::to_string(i) + ".JPEG", picture(n++));
    train += tar_member(name + ".tar", inner + tar_end());
  }
  put(folder / "ILSVRC2012_img_train.tar", train + tar_end());
  std::string val;
  for (int i = 1; i <= 3; ++i) val += tar_member("ILSVRC2012_val_0000000" + std::to_string(i) + ".JPEG", picture(10 + i));
  put(folder / "ILSVRC2012_img_val.tar", val + tar_end());
  const std::string data = "ILSVRC2012_devkit_t12/data/";
  put(folder / "ILSVRC2012_devkit_t12.tar.gz", gzip(tar_member(data, "", '5') + tar_member(data + "meta.mat", meta_mat({"n10", "n02"})) +
                                                    tar_member(data + "ILSVRC2012_validation_ground_truth.txt", "2\n1\n2\n") + tar_end()));
}

}  // namespace liere::test
