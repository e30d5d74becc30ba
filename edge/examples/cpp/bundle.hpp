// What a .sranogan file holds: a zip archive of stored members, some of which (.npz) are such archives of arrays.

#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using Members = std::map<std::string, std::string>;

// A number of `bytes`, lowest byte first.
template <typename Number>
Number number_at(const std::string& bytes, size_t at) {
  Number found;
  if (at > bytes.size() || bytes.size() - at < sizeof(found)) throw std::runtime_error("cut off");
  std::memcpy(&found, bytes.data() + at, sizeof(found));
  return found;
}

inline std::string part(const std::string& bytes, size_t at, size_t size) {
  if (at > bytes.size() || bytes.size() - at < size) throw std::runtime_error("cut off");
  return bytes.substr(at, size);
}

// The members of a zip archive, by its central directory; compressed ones are refused.
inline Members unzipped(const std::string& bytes) {
  Members found;
  const size_t end = bytes.rfind("PK\x05\x06");
  if (end == std::string::npos) throw std::runtime_error("no zip archive");
  size_t at = number_at<uint32_t>(bytes, end + 16);
  for (int left = number_at<uint16_t>(bytes, end + 10); left > 0; --left) {
    if (part(bytes, at, 4) != "PK\x01\x02") throw std::runtime_error("a damaged zip archive");
    if (number_at<uint16_t>(bytes, at + 10) != 0) throw std::runtime_error("a compressed member");
    const size_t size = number_at<uint32_t>(bytes, at + 24), name = number_at<uint16_t>(bytes, at + 28);
    const size_t more = number_at<uint16_t>(bytes, at + 30), remark = number_at<uint16_t>(bytes, at + 32);
    const size_t local = number_at<uint32_t>(bytes, at + 42);
    const size_t data = local + 30 + number_at<uint16_t>(bytes, local + 26) + number_at<uint16_t>(bytes, local + 28);
    found[part(bytes, at + 46, name)] = part(bytes, data, size);
    at += 46 + name + more + remark;
  }
  return found;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot be read");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline const std::string& member(const Members& members, const std::string& name) {
  const auto found = members.find(name);
  if (found == members.end()) throw std::runtime_error("no member " + name);
  return found->second;
}

// The values of an .npy file, which is in C order: '<f4', '<f8' or '|b1'; another kind than Number is refused.
template <typename Number>
std::vector<Number> array_of(const Members& arrays, const std::string& name) {
  const std::string& bytes = member(arrays, name + ".npy");
  const bool whole = std::is_same_v<Number, int64_t>;
  const std::string kind = whole ? "'<i8'" : sizeof(Number) == 4 ? "'<f4'" : sizeof(Number) == 8 ? "'<f8'" : "'|b1'";
  const size_t begin = 10 + number_at<uint16_t>(bytes, 8);  // of version 1.0
  const std::string head = part(bytes, 10, begin - 10);
  if (bytes[6] != 1 || head.find(kind) == std::string::npos || head.find("True") != std::string::npos)
    throw std::runtime_error("array " + name + " is not of " + kind + " in C order");
  const std::string data = part(bytes, begin, bytes.size() - begin);
  std::vector<Number> values(data.size() / sizeof(Number));
  std::memcpy(values.data(), data.data(), values.size() * sizeof(Number));
  return values;
}
