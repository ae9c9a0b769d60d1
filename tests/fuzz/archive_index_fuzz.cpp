// Tar archives and the index of pictures inside them: any bytes give pieces that lie inside the archive under names that stay below its root, or a DataError.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/check.h"
#include "data/datasets/picture_index.h"
#include "data/prepare/tar.h"

namespace {

using namespace liere;

constexpr size_t kBlock = 512;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: what was accepted breaks a rule: %s\n", what);
  std::abort();
}

/// Correct checksums for all blocks that call themselves headers: changed ones would all be refused for them.
std::string with_checksums(std::string tar) {
  for (size_t at = 0; at + kBlock <= tar.size(); at += kBlock) {
    if (tar.compare(at + 257, 5, "ustar") != 0) continue;
    tar.replace(at + 148, 8, "        ");
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(tar[at + i]);
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    tar.replace(at + 148, 7, std::string(digits, 7));
  }
  return tar;
}

void check_tar(const std::string& tar) {
  const auto read = [&](uint64_t offset, char* bytes, size_t size) {
    require(offset <= tar.size() && size <= tar.size() - offset, "it is read behind its end");
    std::memcpy(bytes, tar.data() + offset, size);
  };
  try {
    for (const auto& member : list_tar(read, 0, tar.size(), "fuzz.tar")) {
      require(member.offset <= tar.size() && member.size <= tar.size() - member.offset, "a member ends behind the archive");
      require(stays_below(member.name), "a member leaves the archive's root");
    }
  } catch (const DataError&) {
  }
}

void check_index(const std::string& text) {
  try {
    const PictureIndex index = parse_picture_index(text, "fuzz");
    const auto& list = index.list;
    for (const auto& picture : list.pictures) {
      require(picture.label >= 0 && picture.label < static_cast<int64_t>(list.class_names.size()), "a label has no class");
      require(picture.length <= kMaxPictureBytes && picture.offset <= index.archive_bytes && picture.length <= index.archive_bytes - picture.offset, "a picture ends behind the archive");
      require(stays_below(list.name(picture)), "a picture leaves the archive's root");
    }
    const std::string written = format_picture_index(index);
    require(format_picture_index(parse_picture_index(written, "again")) == written, "written and read again it is another");
  } catch (const DataError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check_tar(bytes);
  check_tar(with_checksums(bytes));
  check_index(bytes);
  check_index(sign_picture_index(bytes));
  return 0;
}
