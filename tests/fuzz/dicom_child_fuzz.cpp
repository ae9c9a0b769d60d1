// Compressed pixels: the first byte chooses the transfer syntax, the rest is the one fragment of a slice of 16 x 16. Whatever it is, the child
// process costs one file and this one lives: pixels of the expected size, or a rejection. LIERE_FUZZ_REPORT=1 prints how often which came.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "data/dicom/decode_child.h"
#include "data/dicom/rejection.h"

namespace {

void append(std::string& text, uint32_t value, int bytes) { text.append(reinterpret_cast<const char*>(&value), bytes); }

std::string data_set(const uint8_t* fragment, size_t size) {
  std::string set;
  const auto element = [&](uint32_t tag, const char* vr, const std::string& value) {
    append(set, tag >> 16, 2), append(set, tag & 0xffff, 2);
    set += vr;
    append(set, static_cast<uint32_t>(value.size()), 2);
    set += value;
  };
  const auto word = [](uint16_t value) { return std::string(reinterpret_cast<const char*>(&value), 2); };
  element(0x00280002, "US", word(1));
  element(0x00280004, "CS", "MONOCHROME2 ");
  element(0x00280010, "US", word(16));
  element(0x00280011, "US", word(16));
  element(0x00280100, "US", word(16));
  element(0x00280101, "US", word(16));
  element(0x00280102, "US", word(15));
  element(0x00280103, "US", word(0));
  set.append("\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0", 24);
  append(set, static_cast<uint32_t>(size + size % 2), 4);
  set.append(reinterpret_cast<const char*>(fragment), size);
  if (size % 2) set += '\0';
  return set.append("\xfe\xff\xdd\xe0\0\0\0\0", 8);
}

long decoded = 0, died = 0, stopped = 0, refused = 0;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace liere;
  static const bool report =
      std::getenv("LIERE_FUZZ_REPORT") &&
      std::atexit(
          [] { std::printf("compressed: decoded %ld, refused %ld, decoder died %ld, decoder stopped %ld\n", decoded, refused, died, stopped); }) == 0;
  (void)report;
  if (size == 0) return 0;
  static const char* kSyntaxes[] = {"1.2.840.10008.1.2.5",    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51",
                                    "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.57",
                                    "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"};
  try {
    if (decode_in_child(data_set(data + 1, size - 1), kSyntaxes[data[0] % std::size(kSyntaxes)], 512, {0.5, 512ll << 20}).size() != 512) std::abort();
    ++decoded;
  } catch (const DicomRejection& rejection) {
    died += rejection.code == "decoder_died";
    stopped += rejection.code == "decoder_timeout";
    refused += rejection.code == "decoder_refused";
  }
  return 0;
}
