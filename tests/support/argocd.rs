//! Argo CD's part: it runs the Lua of `examples/gitops/argocd/argocd-cm.yaml` on live objects. As there, Lua 5.1 has
//! the basic functions and tables only; actions have `os` besides.

use mlua::{Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use serde_json::{Map, Value, json};

use super::repository;

/// The settings of Argo CD that the examples bring.
pub struct ArgoCd(Map<String, Value>);

impl ArgoCd {
    /// Reads them.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(repository("examples/gitops/argocd/argocd-cm.yaml")).unwrap();
        let config_map: Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!((&config_map["kind"], &config_map["metadata"]["name"]), (&json!("ConfigMap"), &json!("argocd-cm")));
        Self(config_map["data"].as_object().unwrap().clone())
    }

    /// Health and message of an object.
    pub fn health(&self, object: &Value) -> (String, String) {
        let script = self.setting("health", object);
        let health = run(&script, object, StdLib::TABLE);
        let text = |key: &str| health[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("message"))
    }

    /// The actions that can be chosen for an object now.
    pub fn actions(&self, object: &Value) -> Vec<String> {
        let settings = self.action_settings(object);
        let found = run(settings["discovery.lua"].as_str().unwrap(), object, StdLib::TABLE);
        let enabled = found.as_object().unwrap().iter().filter(|(_, action)| action["disabled"] != true);
        enabled.map(|(name, _)| name.clone()).collect()
    }

    /// The object as an action makes it.
    pub fn act(&self, action: &str, object: &Value) -> Value {
        let settings = self.action_settings(object);
        let definitions = settings["definitions"].as_array().unwrap();
        let definition =
            definitions.iter().find(|d| d["name"] == action).unwrap_or_else(|| panic!("no action {action}"));
        run(definition["action.lua"].as_str().unwrap(), object, StdLib::TABLE | StdLib::OS | StdLib::PACKAGE)
    }

    fn action_settings(&self, object: &Value) -> Value {
        serde_yaml_ng::from_str(&self.setting("actions", object)).unwrap()
    }

    fn setting(&self, what: &str, object: &Value) -> String {
        let group = object["apiVersion"].as_str().unwrap().split('/').next().unwrap();
        let key = format!("resource.customizations.{what}.{group}_{}", object["kind"].as_str().unwrap());
        self.0.get(&key).unwrap_or_else(|| panic!("no {key}")).as_str().unwrap().to_owned()
    }
}

fn run(script: &str, object: &Value, libraries: StdLib) -> Value {
    let lua = Lua::new_with(libraries, LuaOptions::default()).unwrap();
    lua.globals().set("obj", to_lua(&lua, object)).unwrap();
    let result: Table = lua.load(script).eval().unwrap_or_else(|e| panic!("{e}\n{script}"));
    from_lua(&LuaValue::Table(result))
}

fn to_lua(lua: &Lua, value: &Value) -> LuaValue {
    match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(b) => LuaValue::Boolean(*b),
        Value::Number(n) => LuaValue::Number(n.as_f64().unwrap()),
        Value::String(s) => LuaValue::String(lua.create_string(s).unwrap()),
        Value::Array(all) => LuaValue::Table(lua.create_sequence_from(all.iter().map(|v| to_lua(lua, v))).unwrap()),
        Value::Object(all) => {
            LuaValue::Table(lua.create_table_from(all.iter().map(|(k, v)| (k.as_str(), to_lua(lua, v)))).unwrap())
        }
    }
}

fn from_lua(value: &LuaValue) -> Value {
    match value {
        LuaValue::Boolean(b) => json!(b),
        LuaValue::Integer(n) => json!(n),
        LuaValue::Number(n) => json!(n),
        LuaValue::String(s) => json!(s.to_string_lossy()),
        LuaValue::Table(table) if table.raw_len() > 0 => {
            table.sequence_values::<LuaValue>().map(|v| from_lua(&v.unwrap())).collect()
        }
        LuaValue::Table(table) => {
            let fields = table.pairs::<String, LuaValue>().map(|pair| pair.unwrap());
            Value::Object(fields.map(|(key, value)| (key, from_lua(&value))).collect())
        }
        _ => Value::Null,
    }
}
