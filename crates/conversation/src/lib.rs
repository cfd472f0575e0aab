//! The bot: bot files, states, slots, prompts and policies.
