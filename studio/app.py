import streamlit as st
st.write("hello", dict(st.secrets["site"]), list(st.context.cookies))
st.mermaid_chart("erDiagram\n a ||--o{ b : x")
C = st.components.v2.component("t", js="""
export default function(c){ c.parentElement.innerHTML = '<button>hi</button>'; }
""", isolate_styles=False)
C()
