"""One Streamlit page per file, run as scripts by st.navigation."""
