// MD5 (RFC 1321), the checksum that the CIFAR archives are published with. It tells the official files from others; it protects from nobody.
#pragma once

#include <string>
#include <string_view>

namespace liere {

/// 32 lower-case hexadecimal digits.
std::string md5(std::string_view bytes);

}  // namespace liere
