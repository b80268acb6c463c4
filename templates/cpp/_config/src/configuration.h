/*
 * Reads a plugin configuration that is a JSON object, key by key: each method checks one key. The first thing that is
 * wrong is remembered, and every key may be read all the same; `accepted()` comes last.
 *
 *     bool onConfigure() override {
 *       Configuration configuration(this->configuration());
 *       limit_ = configuration.wholeNumber("limit", 1, 1000);
 *       hosts_ = configuration.texts("hosts");
 *       return configuration.accepted();
 *     }
 */
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json.h"
#include "proxy-wasm.h"

/** An object of the configuration. */
class ConfigurationObject {
 public:
  /**
   * @param place Where it stands in the configuration, as messages begin: `rules[0].`.
   * @param problem The first thing that is wrong; shared by all objects of a configuration.
   */
  ConfigurationObject(const json::Value *value, std::string place, std::string *problem)
      : value_(value), place_(std::move(place)), problem_(problem) {}

  /** Whether the key is there. */
  bool has(std::string_view key) { return find(key) != nullptr; }

  /** Says what is wrong with a key: `refuse("to", "must be a path")`. */
  void refuse(std::string_view key, std::string_view problem) {
    if (problem_->empty()) *problem_ = proxy_wasm::concat("configuration: ", place_, key, " ", problem);
  }

  /** A text; `fallback` when the key is not there, and without a fallback it must be there. */
  std::string text(std::string_view key, std::optional<std::string_view> fallback = std::nullopt) {
    const json::Value *value = find(key);
    if (value != nullptr && value->kind == json::Kind::Text) return value->text;
    if (value != nullptr || !fallback) refuse(key, value != nullptr ? "must be text" : "is missing");
    return std::string(fallback.value_or(""));
  }

  /** A whole number within limits; without a fallback it must be there. */
  int64_t wholeNumber(std::string_view key, int64_t least, int64_t most,
                      std::optional<int64_t> fallback = std::nullopt) {
    const json::Value *value = find(key);
    if (value == nullptr) {
      if (!fallback) refuse(key, "is missing");
      return fallback.value_or(least);
    }
    const double number = value->number;
    const bool fits = value->kind == json::Kind::Number && number >= static_cast<double>(least) &&
                      number <= static_cast<double>(most);
    if (fits && number == static_cast<double>(static_cast<int64_t>(number))) return static_cast<int64_t>(number);
    refuse(key, proxy_wasm::concat("must be a whole number from ", least, " to ", most));
    return least;
  }

  /** `true` or `false`. */
  bool flag(std::string_view key, bool fallback) {
    const json::Value *value = find(key);
    if (value == nullptr) return fallback;
    if (value->kind != json::Kind::Bool) refuse(key, "must be true or false");
    return value->flag;
  }

  /** A list of texts, `least` of them or more; an empty one when the key is not there and `least` is 0. */
  std::vector<std::string> texts(std::string_view key, size_t least = 0) {
    std::vector<std::string> texts;
    for (const json::Value &value : list(key, least, "texts")) {
      if (value.kind != json::Kind::Text) refuse(proxy_wasm::concat(key, "[", texts.size(), "]"), "must be text");
      texts.push_back(value.text);
    }
    return texts;
  }

  /** A list of objects, `least` of them or more; an empty one when the key is not there and `least` is 0. */
  std::vector<ConfigurationObject *> objects(std::string_view key, size_t least = 0) {
    std::vector<ConfigurationObject *> objects;
    size_t index = 0;
    for (const json::Value &value : list(key, least, "objects")) {
      ConfigurationObject *object = enter(proxy_wasm::concat(key, "[", index++, "]"), value);
      if (object != nullptr) objects.push_back(object);
    }
    return objects;
  }

  /** An object; null when the key is not there. */
  ConfigurationObject *object(std::string_view key) {
    const json::Value *value = find(key);
    return value == nullptr ? nullptr : enter(std::string(key), *value);
  }

 protected:
  /** Refuses the first key nobody asked for, here and in the objects within. */
  void findUnknown() {
    for (const std::string &name : value_->names) {
      if (!isKnown(name)) refuse(proxy_wasm::concat('"', name, '"'), "is not known");
    }
    for (const auto &object : inner_) object->findUnknown();
  }

 private:
  const json::Value *find(std::string_view key) {
    if (!isKnown(key)) known_.emplace_back(key);
    return value_->get(key);
  }

  bool isKnown(std::string_view key) const {
    for (const std::string &known : known_) {
      if (known == key) return true;
    }
    return false;
  }

  const std::vector<json::Value> &list(std::string_view key, size_t least, std::string_view what) {
    static const std::vector<json::Value> none;
    const json::Value *value = find(key);
    if (value == nullptr && least == 0) return none;
    if (value != nullptr && value->kind == json::Kind::List && value->values.size() >= least) return value->values;
    if (value == nullptr) refuse(key, "is missing");
    else refuse(key, proxy_wasm::concat("must be a list of ", what, least > 0 ? ", one or more" : ""));
    return none;
  }

  ConfigurationObject *enter(const std::string &key, const json::Value &value) {
    if (value.kind != json::Kind::Object) {
      refuse(key, "must be an object");
      return nullptr;
    }
    inner_.push_back(std::make_unique<ConfigurationObject>(&value, proxy_wasm::concat(place_, key, "."), problem_));
    return inner_.back().get();
  }

  const json::Value *value_;
  std::string place_;
  std::string *problem_;
  /** Keys that were asked for: all that this object may have. */
  std::vector<std::string> known_;
  std::vector<std::unique_ptr<ConfigurationObject>> inner_;
};

/** A whole configuration. */
class Configuration : public ConfigurationObject {
 public:
  explicit Configuration(std::string_view text) : ConfigurationObject(&value_, "", &problem_) {
    json::Reader reader(text);
    std::optional<json::Value> value = reader.read();
    if (!value) problem_ = proxy_wasm::concat("the configuration is not JSON: ", reader.problem());
    else if (value->kind != json::Kind::Object) problem_ = "the configuration is not a JSON object";
    else value_ = std::move(*value);
  }
  Configuration(const Configuration &) = delete;
  Configuration &operator=(const Configuration &) = delete;

  /** Comes last: `true` when nothing is wrong and no key is unknown; else writes what is wrong to the log. */
  bool accepted() {
    findUnknown();
    if (problem_.empty()) return true;
    proxy_wasm::log::error(problem_);
    return false;
  }

 private:
  json::Value value_;
  std::string problem_;
};
