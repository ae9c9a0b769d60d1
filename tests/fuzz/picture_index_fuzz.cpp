// The index of an archive, and the tar headers that it is made of: any text gives a list whose pictures lie within the archive, or a DataError.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/check.h"
#include "data/datasets/picture_index.h"
#include "data/prepare/tar.h"

namespace {

void read_index(const std::string& text) {
  try {
    const auto index = liere::parse_picture_index(text, "fuzz");
    for (const auto& picture : index.list.pictures) {
      if (picture.offset + picture.length > index.archive_bytes || picture.length > liere::kMaxPictureBytes) std::abort();
      if (picture.label < 0 || static_cast<size_t>(picture.label) >= index.list.class_names.size() || !liere::stays_below(index.list.name(picture))) std::abort();
    }
  } catch (const liere::DataError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_index(text);
  read_index(liere::sign_picture_index(text));  // behind the digest, which random changes do not survive
  try {
    const auto read = [&](uint64_t offset, char* bytes, size_t count) {
      if (offset > size || count > size - offset) std::abort();
      std::memcpy(bytes, data + offset, count);
    };
    for (const auto& member : liere::list_tar(read, 0, size, "fuzz"))
      if (member.offset + member.size > size || !liere::stays_below(member.name)) std::abort();
  } catch (const liere::DataError&) {
  }
  return 0;
}
