// A zip archive: any bytes give members whose content has the stated size, without a read behind the end, or a DataError.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/check.h"
#include "data/prepare/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const liere::ReadAt read = [&](uint64_t offset, char* bytes, size_t count) {
    if (offset > size || count > size - offset) std::abort();
    std::memcpy(bytes, data + offset, count);
  };
  const liere::ZipLimits limits{.members = 1000, .directory_bytes = 1 << 20, .member_bytes = 1 << 22};
  try {
    for (const auto& member : liere::list_zip(read, size, "fuzz", limits)) {
      if (member.limit > size || member.packed > size) std::abort();
      try {
        if (liere::read_zip_member(read, member, "fuzz", limits).size() != member.size) std::abort();
      } catch (const liere::DataError&) {
      }
    }
  } catch (const liere::DataError&) {
  }
  return 0;
}
