"""FEATURES THAT ARE PLUGINS THEMSELVES: people, import and export."""
