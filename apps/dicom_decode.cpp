// liere-dicom-decode TRANSFER_SYNTAX PIXEL_BYTES MAX_MEMORY MAX_SECONDS: a reduced data set on standard input, its stored values on standard output.
// Started by the other programs for one file at a time; it limits its own memory and processor time first. Exit code 1: the pixels do not decode.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

void limit(int resource, long value) {
  const rlimit limits{static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &limits) != 0) std::_Exit(1);
}

std::string read_input() {
  std::string bytes, block(1 << 16, '\0');
  for (ssize_t count; (count = ::read(STDIN_FILENO, block.data(), block.size())) > 0;) bytes.append(block, 0, static_cast<size_t>(count));
  return bytes;
}

bool write_output(const char* bytes, size_t size) {
  while (size > 0) {
    const auto count = ::write(STDOUT_FILENO, bytes, size);
    if (count <= 0) return false;
    bytes += count, size -= static_cast<size_t>(count);
  }
  return true;
}

bool decode(const char* transfer_syntax, size_t pixel_bytes) {
  const auto input = read_input();
  DcmInputBufferStream stream;
  stream.setBuffer(input.data(), static_cast<offile_off_t>(input.size()));
  stream.setEos();
  DcmDataset set;
  set.transferInit();
  if (set.read(stream, DcmXfer(transfer_syntax).getXfer()).bad()) return false;
  set.transferEnd();
  if (set.chooseRepresentation(EXS_LittleEndianExplicit, nullptr).bad()) return false;
  const Uint16* values = nullptr;
  unsigned long count = 0;
  Uint16 allocated = 0;
  if (set.findAndGetUint16(DCM_BitsAllocated, allocated).bad() || allocated != 16 || set.findAndGetUint16Array(DCM_PixelData, values, &count).bad())
    return false;
  return values && count * 2 == pixel_bytes && write_output(reinterpret_cast<const char*>(values), pixel_bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_AS, std::atol(argv[3]));
  limit(RLIMIT_CPU, std::atol(argv[4]));
  OFLog::configure(OFLogger::OFF_LOG_LEVEL);
  DcmRLEDecoderRegistration::registerCodecs();
  DJDecoderRegistration::registerCodecs();
  DJLSDecoderRegistration::registerCodecs();
  std::_Exit(decode(argv[1], std::strtoull(argv[2], nullptr, 10)) ? 0 : 1);
}
